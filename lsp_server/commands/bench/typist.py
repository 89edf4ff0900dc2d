"""Somebody who types in an editor and asks for ghost text, through the real server and engine."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from lsprotocol import types as t
from pygls.lsp.client import LanguageClient

from engine.api import EngineInfo
from engine.client import connect
from lsp_server import child

PATIENCE = 120.0  # seconds for one answer
SOURCE = Path(connect.__file__).parents[1] / "fill" / "infill.py"  # a file that is on every machine
OPENING = " = "  # gaps are behind it
KEYS = 3  # typed after each first answer


@dataclass(slots=True)
class Times:
    """Milliseconds from a request to its answer, and how many answers held a text.

    `place`: the cursor has come to another line. `key`: a character was typed since the last one.
    """

    place: list[float] = field(default_factory=list)
    key: list[float] = field(default_factory=list)
    shown: int = 0


def type_and_ask(
    model: str, device: str | None, factory: str | None, fills: int
) -> tuple[Times, EngineInfo]:
    """With an engine of its own, which is loaded before and ends afterwards. Raises EngineError
    when it cannot be loaded."""
    with meeting_alone(), connect.connect(model, device, factory) as engine:
        info = engine.info
        return asyncio.run(_session(model, device, factory, fills)), info


async def _session(model: str, device: str | None, factory: str | None, fills: int) -> Times:
    options = ["--model", model, *(["--device", device] if device else [])]
    options += ["--factory", factory] if factory else []
    client = LanguageClient("infill-ls bench", "1")
    client.feature("infill/status")(lambda _: None)
    command = child.command("lsp_server", *options)
    await client.start_io(*command, env=child.environment())
    capabilities = t.ClientCapabilities(
        text_document=t.TextDocumentClientCapabilities(
            inline_completion=t.InlineCompletionClientCapabilities()
        )
    )
    try:
        # What is shown here is shown to nobody: `infill-ls stats` does not count it.
        await client.initialize_async(
            t.InitializeParams(capabilities=capabilities, initialization_options={"stats": False})
        )
        client.initialized(t.InitializedParams())
        await _at_a_place(client, 0, Times())  # finds nothing warm
        times = Times()
        for number in range(1, fills + 1):
            await _at_a_place(client, number, times)
        await client.shutdown_async(None)
        client.exit(None)
        return times
    finally:
        await client.stop()  # type: ignore[no-untyped-call]


async def _at_a_place(client: LanguageClient, number: int, times: Times) -> None:
    """A file of its own, so that nothing that was shown before answers."""
    text, line, column, rest = gap(number)
    uri = f"file:///bench/{number}.py"
    client.text_document_did_open(
        t.DidOpenTextDocumentParams(t.TextDocumentItem(uri, "python", 0, text))
    )
    times.place.append(await _asked(client, uri, line, column, times))
    for version, character in enumerate(rest[:KEYS], 1):
        here = t.Position(line, column)
        change = t.TextDocumentContentChangePartial(t.Range(here, here), character)
        document = t.VersionedTextDocumentIdentifier(version=version, uri=uri)
        client.text_document_did_change(t.DidChangeTextDocumentParams(document, [change]))
        column += 1
        times.key.append(await _asked(client, uri, line, column, times))
    identifier = t.TextDocumentIdentifier(uri)
    client.text_document_did_close(t.DidCloseTextDocumentParams(identifier))


async def _asked(client: LanguageClient, uri: str, line: int, column: int, times: Times) -> float:
    params = t.InlineCompletionParams(
        context=t.InlineCompletionContext(t.InlineCompletionTriggerKind.Invoked),
        text_document=t.TextDocumentIdentifier(uri),
        position=t.Position(line, column),
    )
    began = time.perf_counter()
    async with asyncio.timeout(PATIENCE):
        answer = await client.text_document_inline_completion_async(params)
    spent = 1e3 * (time.perf_counter() - began)
    items = answer.items if isinstance(answer, t.InlineCompletionList) else answer
    times.shown += bool(items)
    return spent


def gap(number: int) -> tuple[str, int, int, str]:
    """A text with the rest of a line taken away, the line and column where, and that rest."""
    lines = SOURCE.read_text(encoding="utf-8").splitlines()
    places = [
        (line, content.index(OPENING) + len(OPENING))
        for line, content in enumerate(lines)
        if OPENING in content and content.isascii() and len(content.split(OPENING)[1]) > KEYS
    ]
    line, column = Random(number).choice(places)
    rest, lines[line] = lines[line][column:], lines[line][:column]
    return "\n".join(lines) + "\n", line, column, rest


@contextmanager
def meeting_alone() -> Iterator[None]:
    """Nobody else asks the engine, and it ends with us."""
    names = ("INFILL_RUNTIME_DIR", "INFILL_LINGER")
    before = {name: os.environ.get(name) for name in names}
    short = "/tmp" if os.name == "posix" else None  # a socket's path has to be
    with TemporaryDirectory(prefix="infill-", dir=short, ignore_cleanup_errors=True) as folder:
        os.environ |= dict(zip(names, (folder, "0"), strict=True))
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
