"""The server's small parts by themselves: anchors, settings, framing, words, the import floor."""

from __future__ import annotations

import asyncio
import importlib.metadata
import random
import subprocess
import sys
from typing import Any

import pytest
from lsprotocol import types as t
from pytest_lsp import make_test_lsp_client

from engine.api import Shape
from lsp_server import __version__
from lsp_server.anchor import place
from lsp_server.document import Document
from lsp_server.features.completion import fenced, word_before
from lsp_server.framing import Framing
from lsp_server.gap import Gap
from lsp_server.newest import Newest
from lsp_server.settings import Settings
from tests.lsp_server.conftest import server_command

# The old text with the gap between ‸ and ‸ (or empty at one ‸), the new text, and the new text
# once "fill" is placed; None if it must be dropped.
ANCHORS = [
    ("a‸b", "ab", "afillb"),
    ("a‸b", "afib", "afillb"),
    ("a‸b", "afillb", None),
    ("a‸b", "aXb", None),
    ("a‸b", "b", None),
    ("a‸b", "a", None),
    ("f(‸)", "f(f)", "f(fill)"),
    ("f(‸)", "f())", None),
    ("ab‸cd", "Xab cd", None),
    ("ab‸cd", "Xabcd", "Xabfillcd"),
    ("ab‸cd", "abcdX", "abfillcdX"),
    ("ab‸cd", "abcX", "abfillcX"),
    ("ab‸cd", "abXd", None),
    ("a‸b‸c", "a bc", None),
    ("xa‸b‸cx", "xxabcx", "xxafillcx"),
    ("xa‸b‸cx", "xaBcx", None),
    ("xa‸b‸cx", "xabcxx", "xafillcxx"),
    ("‸", "", "fill"),
    ("‸", "f", "fill"),
]


@pytest.mark.parametrize(("marked", "new", "after"), ANCHORS)
def test_place(marked: str, new: str, after: str | None) -> None:
    old = Document("file:///a", 1, "python", marked.replace("‸", ""))
    start, end = marked.index("‸"), max(marked.index("‸"), marked.rindex("‸") - 1)
    end = start if marked.count("‸") == 1 else end
    current = Document("file:///a", 2, "python", new)
    placed = place("fill", Gap(old, start, end, Shape.LINE, ""), current)
    if after is None:
        assert placed is None
        return
    assert placed is not None
    assert placed.document is current
    assert new[: placed.start] + placed.text + new[placed.end :] == after


# The old text with the cursor at ‸, the new text, and it with "a)" in place, over one closer.
COVERED = [
    ("f(‸)\n", "f()\n", "f(a)\n"),
    ("f(‸)\n", "f(a)\n", "f(a)\n"),
    ("f(‸)\n", "f()\nx\n", "f(a)\nx\n"),
    ("f(‸)\n", "\nf()\n", "\nf(a)\n"),
    ("f(‸)\n", "f(\n", None),
    ("f(‸)\n", "f();\n", None),
]


@pytest.mark.parametrize(("marked", "new", "after"), COVERED)
def test_place_over_a_closer(marked: str, new: str, after: str | None) -> None:
    old = Document("file:///a", 1, "python", marked.replace("‸", ""))
    at = marked.index("‸")
    placed = place(
        "a)", Gap(old, at, at, Shape.LINE, ""), Document("file:///a", 2, "python", new), covers=1
    )
    if after is None:
        assert placed is None
        return
    assert placed is not None
    assert new[: placed.start] + placed.text + new[placed.end :] == after


def test_nothing_is_placed_in_a_closed_document() -> None:
    document = Document("file:///a", 1, "python", "")
    assert place("fill", Gap(document, 0, 0, Shape.LINE, ""), None) is None


PLAIN = Settings()
SETTINGS: list[tuple[Any, Settings, int]] = [
    (None, PLAIN, 0),
    ({}, PLAIN, 0),
    ([], PLAIN, 1),
    ({"model": "x", "device": "cpu"}, Settings(model="x", device="cpu"), 0),
    ({"steps": 4, "maxTokens": 9}, Settings(steps=4, max_tokens=9), 0),
    ({"steps": 0, "maxTokens": True, "model": ""}, PLAIN, 3),
    ({"steps": 1.5, "debug": 1, "completion": "no"}, PLAIN, 3),
    ({"debug": True, "completion": False}, Settings(debug=True, completion=False), 0),
    ({"max_tokens": 4, "color": 1}, PLAIN, 2),
]


@pytest.mark.parametrize(("given", "settings", "problems"), SETTINGS)
def test_settings(given: Any, settings: Settings, problems: int) -> None:
    updated, told = PLAIN.updated(given)
    assert updated == settings
    assert len(told) == problems


def test_null_gives_a_default_back() -> None:
    changed, _ = PLAIN.updated({"steps": 4, "model": "x"})
    assert changed.updated({"steps": None, "model": None}) == (PLAIN, {})


def test_framing_takes_messages_in_any_pieces() -> None:
    bodies = [b"", b"{}", "🎉".encode(), b"x" * 5000, b"\r\n\r\n"]
    stream = b"".join(b"content-LENGTH : %d\r\nX: y\r\n\r\n%s" % (len(b), b) for b in bodies)
    draw = random.Random(1)
    for _ in range(50):
        framing, got, at = Framing(), [], 0
        while at < len(stream):
            piece = stream[at : at + draw.choice([1, 2, 7, 100, 6000])]
            got += framing.feed(piece)
            at += len(piece)
        assert got == bodies


WORDS = [("", 0, ""), ("a.bc", 4, "bc"), ("naïve_1", 7, "naïve_1"), ("a ", 2, "")]
WORDS += [("x" * 300, 300, "")]


@pytest.mark.parametrize(("text", "offset", "word"), WORDS)
def test_word_before(text: str, offset: int, word: str) -> None:
    assert word_before(text, offset) == word


def test_a_fence_cannot_be_ended_by_what_is_in_it() -> None:
    assert fenced("a", "python") == "```python\na\n```"
    assert fenced("```\n````", "") == "`````\n```\n````\n`````"


async def test_newest_wins_and_the_callers_cancel_goes_through() -> None:
    newest, ended = Newest(), []

    async def work(name: str) -> str:
        try:
            await asyncio.sleep(0 if name == "last" else 60)
        finally:
            ended.append(name)
        return name

    first, other, second = (
        asyncio.ensure_future(newest.run(key, work(name)))
        for key, name in [(1, "first"), (2, "other"), (1, "second")]
    )
    assert await first is None
    last = asyncio.ensure_future(newest.run(1, work("last")))
    assert await second is None
    assert await last == "last"
    other.cancel()
    with pytest.raises(asyncio.CancelledError):
        await other
    assert {"second", "last", "other"} <= set(ended)
    assert newest._running == {}


def test_the_version_is_the_packages() -> None:
    assert __version__ == importlib.metadata.version("infill-ls")


def test_the_server_imports_nothing_of_the_models() -> None:
    program = (
        "import sys, lsp_server.server, lsp_server.cli;"
        "lsp_server.server.create_server();"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    forbidden = {"torch", "triton", "transformers", "tokenizers", "safetensors", "numpy", "kernels"}
    assert forbidden.isdisjoint(run.stdout.split())


@pytest.mark.parametrize("scheme", ["tcp", "ws"])
async def test_sockets_serve_one_client_and_end(scheme: str, tmp_path: Any) -> None:
    if scheme == "ws":
        pytest.importorskip("websockets")
    script = tmp_path / "script.json"
    script.write_text('{"fills": [{"text": "fill"}]}')
    server = await asyncio.create_subprocess_exec(
        *server_command(script), f"--{scheme}", "127.0.0.1:0", stderr=asyncio.subprocess.PIPE
    )
    assert server.stderr is not None
    announced = (await server.stderr.readline()).decode().strip()
    port = int(announced.rpartition(":")[2])
    client = make_test_lsp_client()
    await (client.start_tcp if scheme == "tcp" else client.start_ws)("127.0.0.1", port)
    await client.initialize_session(t.InitializeParams(t.ClientCapabilities()))
    item = t.TextDocumentItem("file:///a", "python", 1, "x = ")
    client.text_document_did_open(t.DidOpenTextDocumentParams(item))
    params = t.InlineCompletionParams(
        t.InlineCompletionContext(t.InlineCompletionTriggerKind.Invoked),
        t.TextDocumentIdentifier("file:///a"),
        t.Position(0, 4),
    )
    answer = await client.text_document_inline_completion_async(params)
    assert answer.items[0].insert_text == "fill"
    await client.shutdown_async(None)
    client.exit(None)
    assert await asyncio.wait_for(server.wait(), 20) == 0
    await client.stop()
