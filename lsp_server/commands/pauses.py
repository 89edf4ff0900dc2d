"""`infill-ls eval typing`: what ghost text says where a person who types stops to think.

Through the real server, with an engine of its own, as an editor asks: the last keys are typed one
by one, then ghost text is asked for once as it comes by itself and once by hand.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lsprotocol import types as t
from pygls.lsp.client import LanguageClient

from engine.client import connect
from engine.evaluation.cutting import read_folder
from engine.evaluation.pauses import Heard, Pause, draw_pauses, summarise
from engine.evaluation.splits import REPORT
from engine.evaluation.suites import read_texts
from lsp_server import child, languages
from lsp_server.commands.bench.typist import meeting_alone
from lsp_server.document import Document
from lsp_server.secrets import is_secret

PATIENCE = 120.0  # seconds for one answer
KEYS = 8  # typed one by one before a pause, at most: the rest of the file is opened with
PAUSES = 500
UNASKED = "unasked"
WAYS = {
    UNASKED: t.InlineCompletionTriggerKind.Automatic,
    "by hand": t.InlineCompletionTriggerKind.Invoked,
}
Served = tuple[str, str | None, str | None]  # model, device and factory


def read_pauses(data: Path, count: int | None, seed: int, *, anyway: bool = False) -> list[Pause]:
    """Of a folder of source files, those that may hold secrets only where `anyway` says so, or of
    the packages to report on among the JSON lines of a corpus. Raises BadData."""
    without = (lambda path: False) if anyway else is_secret
    texts = list(read_folder(data, without)) if data.is_dir() else read_texts(data, REPORT)
    return draw_pauses(texts, count or PAUSES, seed)


def type_and_listen(
    pauses: Sequence[Pause],
    model: str,
    device: str | None = None,
    factory: str | None = None,
    on_pause: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Rows of what was heard, unasked and by hand, and each answer. Raises EngineError when the
    engine cannot be loaded, and TimeoutError."""
    with meeting_alone(), connect.connect(model, device, factory) as engine:
        info = engine.info
        heard = walk(pauses, (model, device, factory), on_pause=on_pause)
    return {
        "model": info.model,
        "device": info.device,
        "report": {way: summarise(heard[way]) for way in WAYS},
        "answers": [
            {"id": pause.id, "kind": pause.kind, **{way: heard[way][at].text for way in WAYS}}
            for at, pause in enumerate(pauses)
        ],
    }


def walk(
    pauses: Sequence[Pause],
    served: Served,
    ways: Sequence[str] = tuple(WAYS),
    seconds: float | None = None,
    on_pause: Callable[[int], None] = lambda _: None,
) -> dict[str, list[Heard]]:
    """What is heard at each pause, by each of `ways`; at those only that come before `seconds` are
    over, where they are given."""
    return asyncio.run(_session(pauses, served, ways, seconds, on_pause))


async def _session(
    pauses: Sequence[Pause],
    served: Served,
    ways: Sequence[str],
    seconds: float | None,
    on_pause: Callable[[int], None],
) -> dict[str, list[Heard]]:
    model, device, factory = served
    options = ["--model", model, *(["--device", device] if device else [])]
    options += ["--factory", factory] if factory else []
    client = LanguageClient("infill-ls eval typing", "1")
    client.feature("infill/status")(lambda _: None)
    await client.start_io(*child.command("lsp_server", *options), env=child.environment())
    capabilities = t.ClientCapabilities(
        text_document=t.TextDocumentClientCapabilities(
            inline_completion=t.InlineCompletionClientCapabilities()
        )
    )
    heard: dict[str, list[Heard]] = {way: [] for way in ways}
    try:
        # What is shown here is shown to nobody: `infill-ls stats` does not count it.
        await client.initialize_async(
            t.InitializeParams(capabilities=capabilities, initialization_options={"stats": False})
        )
        client.initialized(t.InitializedParams())
        ends = None if seconds is None else time.monotonic() + seconds
        for number, pause in enumerate(pauses, 1):
            if ends is not None and time.monotonic() > ends:
                break
            for way, text in (await _at(client, pause, number, ways)).items():
                heard[way].append(Heard(pause, text))
            on_pause(number)
        await client.shutdown_async(None)
        client.exit(None)
        return heard
    finally:
        await client.stop()  # type: ignore[no-untyped-call]


async def _at(
    client: LanguageClient, pause: Pause, number: int, ways: Sequence[str]
) -> dict[str, str | None]:
    """What is heard at a pause, in a document of its own, so that nothing shown before answers."""
    extension = next(iter(languages.of(pause.language).extensions), "txt")
    uri = f"file:///typed/{number}/a.{extension}"
    typed = min(KEYS, len(pause.prefix))
    before = pause.prefix[: len(pause.prefix) - typed]
    document = Document(uri, 0, pause.language, before + pause.suffix)
    client.text_document_did_open(
        t.DidOpenTextDocumentParams(
            t.TextDocumentItem(uri, pause.language, document.version, document.text)
        )
    )
    for at in range(len(before), len(pause.prefix)):
        change = t.TextDocumentContentChangePartial(document.range(at, at), pause.prefix[at])
        document = document.edited([change], document.version + 1)
        named = t.VersionedTextDocumentIdentifier(version=document.version, uri=uri)
        client.text_document_did_change(t.DidChangeTextDocumentParams(named, [change]))
    here = document.position(len(pause.prefix))
    heard = {}
    for way in ways:
        trigger = WAYS[way]
        params = t.InlineCompletionParams(
            context=t.InlineCompletionContext(trigger),
            text_document=t.TextDocumentIdentifier(uri),
            position=here,
        )
        async with asyncio.timeout(PATIENCE):
            answer = await client.text_document_inline_completion_async(params)
        heard[way] = _text(answer, document, len(pause.prefix))
    client.text_document_did_close(t.DidCloseTextDocumentParams(t.TextDocumentIdentifier(uri)))
    return heard


def _text(
    answer: t.InlineCompletionList | Sequence[t.InlineCompletionItem] | None,
    document: Document,
    cursor: int,
) -> str | None:
    """What would stand behind the cursor: an item may begin before it, with what is there."""
    items = answer.items if isinstance(answer, t.InlineCompletionList) else answer
    if not items:
        return None
    item = items[0]
    text = item.insert_text if isinstance(item.insert_text, str) else item.insert_text.value
    start = document.offset(item.range.start) if item.range else cursor
    return text.removeprefix(document.text[start:cursor])
