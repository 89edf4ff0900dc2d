"""A little of what `benchmarks/soak.py` does at full size: random edits, random requests."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types as t

from lsp_server.document import Document, Encoding
from tests.lsp_server.fuzzing import UNIT, Chaos, Client, Oracle, chaotic_server
from tests.lsp_server.odd_messages import OddMessages
from tests.lsp_server.wire import FILL, wire

EDITS = 1500
STEPS = 700
ODD = 950
SANE = {"infill": {"trigger": "auto", "speculate": False}}


@pytest.mark.parametrize("encoding", UNIT)
def test_the_text_is_the_editors_after_each_edit(encoding: str) -> None:
    oracle = Oracle(encoding, random.Random(f"edits {encoding}"))
    document = Document("file:///a", 0, "python", "", Encoding(encoding))
    for version in range(EDITS):
        change = oracle.change()
        event: t.TextDocumentContentChangeEvent
        if "range" in change:
            start, end = (t.Position(**change["range"][name]) for name in ("start", "end"))
            event = t.TextDocumentContentChangePartial(t.Range(start, end), change["text"])
        else:
            event = t.TextDocumentContentChangeWholeDocument(change["text"])
        document = document.edited([event], version)
        assert document.text == oracle.text, version
        whole = Document("file:///a", 0, "python", document.text, document.encoding)
        assert list(document.line_starts) == list(whole.line_starts), version


@pytest.mark.parametrize("encoding", UNIT)
async def test_every_request_has_exactly_one_answer(encoding: str, tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    rule = {"text": "a(b)\n    c", "steps": 3, "delay": 0.002, "confidence": 0.9}
    script.write_text(json.dumps({"fills": [{**rule, "after": " "}, rule]}))
    rng = random.Random(f"requests {encoding}")
    server = chaotic_server(str(script))
    client = Client(server, encoding)
    try:
        client.initialize()
        chaos = Chaos(client, rng)
        chaos.opens()
        for number in range(STEPS):
            chaos.step()
            if rng.random() < 0.3:
                await asyncio.sleep(rng.choice((0, 0, 0.001, 0.02)))
            if number % 200 == 0:
                await client.settled()
        await client.settled()
        assert set(client.answers.values()) == {1}
        assert set(client.answers) == set(client.sent)
        codes = {0, *(t.LSPErrorCodes), *(t.ErrorCodes)}
        assert set(client.codes) <= codes - {t.ErrorCodes.InternalError}
        assert client.notified["infill/draft"] > 0
        for uri in list(chaos.open):
            client.notify(t.TEXT_DOCUMENT_DID_CLOSE, {"textDocument": {"uri": uri}})
        await asyncio.sleep(0.5)
        ours = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert len(ours) <= 1, ours
    finally:
        server.session.close()


@pytest.mark.parametrize("seed", ["a", "b", "c"])
async def test_odd_messages_are_survived(seed: str, tmp_path: Path) -> None:
    """Over real pipes: each request has one answer, and a sane document is filled afterwards."""
    odd = OddMessages(seed)
    asked: list[Any] = []
    async with wire(tmp_path) as client:
        client.initialize()
        client.open()
        for number in range(ODD):
            data, ids = odd.next()
            client.send(data)
            asked += ids
            if number % 50 == 0:
                # Odd settings and commands may have paused it or have switched it off.
                await client.ask(f"still there {number}", "textDocument/dance", {})
        client.send({"method": "workspace/didChangeConfiguration", "params": {"settings": SANE}})
        await client.ask("resume", "workspace/executeCommand", {"command": "infill.resume"})
        assert await client.fill("sane") == FILL
        for id in asked:
            await client.answer(id)
        assert await client.end() == 0
        answers = client.counts()
    del answers[None]
    named = {*asked, "hello", "sane", "resume", *(f"still there {n}" for n in range(0, ODD, 50))}
    assert set(answers) == named
    assert set(answers.values()) == {1}
    assert b"Traceback" not in client.log
    internal = [
        each for answer in client.answers.values() for each in answer
        if each.get("error", {}).get("code") == t.ErrorCodes.InternalError
    ]  # fmt: skip
    assert internal == []
