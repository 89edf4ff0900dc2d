"""Messages that cannot be read, or come at the wrong time, byte by byte."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from tests.lsp_server.conftest import server_command

HERE = {"textDocument": {"uri": "file:///a"}, "position": {"line": 0, "character": 0}}
NOWHERE = {**HERE, "position": {"line": "x", "character": 0}}
NOT_OURS = {"title": "x", "data": {"action": "rm"}}

# Raw messages, and the answers' (id, error code or None) to them.
RAW: list[tuple[Any, tuple[Any, Any] | None]] = [
    ({"id": 7, "method": "textDocument/completion", "params": {"no": 1}}, (7, -32602)),
    ({"id": "s", "method": "textDocument/inlineCompletion"}, ("s", -32602)),
    ({"id": 8, "method": "textDocument/codeAction", "params": []}, (8, -32602)),
    ({"id": 9, "method": "textDocument/completion", "params": NOWHERE}, (9, -32602)),
    ({"id": 10, "method": "textDocument/dance", "params": {}}, (10, -32601)),
    ({"id": 11, "method": "dance"}, (11, -32601)),
    ({"id": 12, "method": "initialize", "params": {"capabilities": {}}}, (12, -32600)),
    (b'{"id": 13, "method": "shutdown"}', (13, -32600)),
    (b'{"jsonrpc": "2.0", "id": 14', (None, -32700)),
    (b'[{"jsonrpc": "2.0", "id": 15, "method": "shutdown"}]', (None, -32600)),
    (b"\xff\xfe", (None, -32700)),
    ({"method": "textDocument/didChange", "params": {"a": 1}}, None),
    ({"method": "$/cancelRequest", "params": {}}, None),
    ({"method": "$/dance", "params": {"x": 1}}, None),
    ({"id": "unknown", "result": 3}, None),
    ({"id": 16, "method": "completionItem/resolve", "params": {"label": {}, "x": 1}}, (16, ANY)),
    # The shutdown that follows at once may cut these short.
    ({"id": 17, "method": "codeAction/resolve", "params": NOT_OURS}, (17, ANY)),
    ({"id": 18, "method": "textDocument/completion", "params": HERE}, (18, ANY)),
]


def framed(message: Any, header: str = "Content-Length: {}\r\n\r\n") -> bytes:
    if not isinstance(message, bytes):
        message = json.dumps({"jsonrpc": "2.0", **message}).encode()
    return header.format(len(message)).encode() + message


INITIALIZE = {"id": 0, "method": "initialize", "params": {"capabilities": {}}}
HEADERS = [
    "content-length: {}\r\n\r\n",
    "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nCONTENT-LENGTH:{}\r\n\r\n",
]


async def exchange(tmp_path: Path, data: bytes) -> list[dict[str, Any]]:
    """The server's answers to all of `data`."""
    output, _ = await spoken(tmp_path, data)
    bodies = output.split(b"Content-Length: ")[1:]
    return [json.loads(body[body.index(b"\r\n\r\n") :]) for body in bodies]


async def spoken(tmp_path: Path, data: bytes) -> tuple[bytes, bytes]:
    """The server's answers and its log, until it ends by itself at the end of `data`."""
    server = await asyncio.create_subprocess_exec(
        *server_command(tmp_path / "none"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, log = await asyncio.wait_for(server.communicate(data), 20)
    assert server.returncode == 0
    assert b"Traceback" not in log
    return output, log


def by_id(answer: tuple[Any, Any]) -> tuple[str, str]:
    """The answers without an id differ in their codes."""
    return str(answer[0]), str(answer[1]) if answer[0] is None else ""


def told(answers: list[dict[str, Any]]) -> list[tuple[Any, int | None]]:
    return [(each["id"], each.get("error", {}).get("code")) for each in answers]


@pytest.mark.parametrize("header", ["Content-Length: {}\r\n\r\n", *HEADERS])
async def test_malformed_messages_are_answered_once_and_hurt_nobody(
    tmp_path: Path, header: str
) -> None:
    early = {"id": -1, "method": "textDocument/completion", "params": HERE}
    end = {"id": 99, "method": "shutdown"}
    late = {**early, "id": 100}
    messages = [early, INITIALIZE, *(message for message, _ in RAW), end, late]
    answers = told(
        await exchange(tmp_path, b"".join(framed(message, header) for message in messages))
    )
    expected = [answer for _, answer in RAW if answer is not None]
    expected = [(-1, -32002), (0, None), *expected, (99, None), (100, -32600)]
    assert sorted(answers, key=by_id) == sorted(expected, key=by_id)


async def test_no_code_goes_to_the_log(tmp_path: Path) -> None:
    """Editors show what comes on stderr as errors, and logs are sent to others."""
    opened = {"uri": "file:///a", "languageId": "python", "version": 1, "text": "hunter2 = (\n"}
    options = {"debug": True, "trigger": "manual"}
    messages = [
        {**INITIALIZE, "params": {"capabilities": {}, "initializationOptions": options}},
        {"method": "textDocument/didOpen", "params": {"textDocument": opened}},
        {"id": 1, "method": "textDocument/completion", "params": HERE},
        {"id": 2, "method": "codeAction/resolve", "params": {**NOT_OURS, "title": "hunter2"}},
        {"id": 3, "method": "textDocument/completion", "params": NOWHERE | {"x": "hunter2"}},
        {"id": 99, "method": "shutdown"},
    ]
    _, log = await spoken(tmp_path, b"".join(framed(each) for each in messages))
    assert b"hunter2" not in log
