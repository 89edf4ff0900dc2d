"""Messages that cannot be read, or come at the wrong time, byte by byte."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from tests.lsp_server.conftest import server_command
from tests.lsp_server.wire import FILL, TEXT, URI, framed, wire

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
    ({"id": 19, "method": "textDocument/didOpen", "params": {}}, (19, -32600)),
    ({"id": 20, "method": "exit"}, (20, -32600)),
    ({"id": 21, "method": "$/cancelRequest", "params": {"id": 17}}, (21, -32600)),
    ({"id": 22, "method": "initialized", "params": {}}, (22, -32600)),
    ({"id": 23, "method": "$/dance"}, (23, -32601)),
    ({"id": 24, "method": {}}, (24, -32600)),
    ({"id": 25, "method": ["shutdown"], "params": 3}, (25, -32600)),
    ({"id": 26}, (26, -32600)),
    ({"id": {}, "method": "shutdown"}, (None, -32600)),
    ({"id": [1], "result": 3}, None),
    ({"id": None, "method": "shutdown"}, (None, -32600)),
    ({"id": 2.5, "method": "shutdown"}, (None, -32600)),
    ({}, (None, -32600)),
    ({"id": None, "error": {"code": 1, "message": "x"}}, None),
    ({"id": 27, "method": "textDocument/dance", "error": {}, "result": 3}, (27, -32601)),
    ({"method": {}}, None),
    ({"method": "shutdown"}, None),
    ({"method": "infill/fill", "params": {}}, None),
    (b"[" * 100_000, (None, -32700)),
    (
        b'{"jsonrpc":"2.0","id":28,"method":"shutdown","x":' + b"[" * 900 + b"]" * 900 + b"x",
        (None, -32700),
    ),
    (b"9" * 5000, (None, -32700)),
    (b'"shutdown"', (None, -32600)),
    (b"null", (None, -32600)),
    # The shutdown that follows at once may cut these short.
    ({"id": 17, "method": "codeAction/resolve", "params": NOT_OURS}, (17, ANY)),
    ({"id": 18, "method": "textDocument/completion", "params": HERE}, (18, ANY)),
]


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
    return [
        (each["id"], each.get("error", {}).get("code")) for each in answers if "method" not in each
    ]


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


# Capabilities and parameters of which nothing is needed, or what is needed stands beside the odd.
ODD_STARTS: list[dict[str, Any]] = [
    {"capabilities": {"textDocument": {"semanticTokens": {"dynamicRegistration": True}}}},
    {"capabilities": {"textDocument": {"semanticTokens": []}, "workspace": 3}},
    {"capabilities": {"textDocument": {"codeAction": {"codeActionLiteralSupport": "all"}}}},
    {"capabilities": {"textDocument": {"completion": {"completionItem": {"tagSupport": {}}}}}},
    {"capabilities": {"general": {"positionEncodings": ["utf-7", 3, "utf-16"]}}},
    {"capabilities": {"general": {"positionEncodings": "utf-8"}}},
    {"capabilities": {"general": {"regularExpressions": {}}, "window": [], "experimental": 1}},
    {"capabilities": {"workspace": {"fileOperations": {"willRename": "x"}, "foldingRange": 0}}},
    {"capabilities": None},
    {"capabilities": []},
    {"processId": "many"},
    {"processId": 4.5, "clientInfo": {"version": 3}, "locale": {}, "trace": "loud"},
    {"processId": -1, "rootUri": "file://[bad/", "rootPath": 7},
    {"rootPath": "//bad", "workspaceFolders": [{"uri": "file:///a"}, {"name": 3}, 7, None]},
    {"workspaceFolders": {"uri": "file:///a"}, "workDoneToken": {}},
    {"initializationOptions": ["x"]},
    {"initializationOptions": {"infill": "x", "drafts": 7}},
]


@pytest.mark.parametrize("odd", ODD_STARTS, ids=str)
async def test_what_is_not_needed_refuses_nobody(tmp_path: Path, odd: dict[str, Any]) -> None:
    async with wire(tmp_path) as client:
        client.initialize(**odd)
        assert "result" in await client.answer("hello")
        client.open()
        assert await client.fill(1) == FILL
        assert await client.end() == 0
        assert b"Traceback" not in client.log


async def test_what_is_needed_is_read_beside_what_cannot_be(tmp_path: Path) -> None:
    general = {"positionEncodings": ["utf-7", "utf-8"], "markdown": {"version": {}}}
    async with wire(tmp_path) as client:
        client.initialize(capabilities={"general": general, "textDocument": {"moniker": 1}})
        answer = await client.answer("hello")
        assert answer["result"]["capabilities"]["positionEncoding"] == "utf-8"


# Parameters of requests: what is needed can be read.
ODD_REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("inlineCompletion", {}),
    ("inlineCompletion", {"context": {"triggerKind": 77}}),
    ("inlineCompletion", {"context": {"triggerKind": 1, "selectedCompletionInfo": 3}}),
    ("inlineCompletion", {"context": {"triggerKind": 1}, "workDoneToken": {}}),
    ("inlineCompletion", {"position": {"line": 0.0, "character": 8.0}}),
    ("inlineCompletion", {"position": {"line": 2**32 - 1, "character": 2**32 - 1}}),
    ("inlineCompletion", {"position": {"line": 0, "character": 2**63 - 1}}),
    ("completion", {"context": {"triggerKind": 9}}),
    ("completion", {"context": 3, "partialResultToken": []}),
    ("codeAction", {}),
    ("codeAction", {"context": {"diagnostics": [{"range": 3}], "only": 7}}),
    ("codeAction", {"context": {"diagnostics": None, "triggerKind": 50}}),
]


async def test_odd_parameters_beside_what_is_needed(tmp_path: Path) -> None:
    async with wire(tmp_path) as client:
        client.initialize()
        client.open()
        place = {"line": 0, "character": len(TEXT)}
        for id, (method, odd) in enumerate(ODD_REQUESTS):
            params = {"textDocument": {"uri": URI}, "position": place}
            params |= {"range": {"start": place, "end": place}} | odd
            answer = await client.ask(id, f"textDocument/{method}", params)
            assert "result" in answer, (method, odd)
        client.send({"method": "exit", "params": [1]})
        assert await asyncio.wait_for(client.process.wait(), 20) == 1


async def test_a_wrong_frame_costs_no_later_request_its_answer(tmp_path: Path) -> None:
    async with wire(tmp_path) as client:
        client.initialize()
        client.open()
        for id, wrong in enumerate((-3, -1, 1, 5, 10**6, 10**9, 10**30)):
            body = json.dumps({"jsonrpc": "2.0", "id": f"x{id}", "method": "dance"}).encode()
            client.send(framed(body, f"Content-Length: {len(body) + wrong}\r\n\r\n"))
            assert await client.fill(id) == FILL
        client.send(b"Content-Length: x\r\n\r\n{}", b"\0" * 100_000)
        assert await client.fill("last") == FILL
        assert await client.end() == 0
