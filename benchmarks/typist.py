"""Somebody who types in an editor, as a language server in the same event loop sees it.

They type LINES with pauses to think, ask for ghost text at every key as editors do, and type what
is shown as long as it is what they want: the scripted engine knows how each line goes on, but at
first takes the second one to go on otherwise.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsprotocol import types as t

from lsp_server.document import Document, Encoding
from tests.lsp_server.fuzzing import Client, chaotic_server

STEPS, STEP_SECONDS = 8, 0.008
THOUGHT = 0.6
LINES = (
    "total = sum(each.price * each.count for each in basket if each.count > 0)",
    "names = sorted(each.name for each in basket if each.count > 0)",
    "print(total, names, sep=separator)",
)
GUESS = "names = sorted(each.name for item in basket)"
# What has just been typed where they stop to think.
THINKS_AFTER = ("total = ", "names = ", "names = sorted(each.name for each ", "print(")

Spent = tuple[float, float]  # seconds that passed, and of the processor


@dataclass(frozen=True, slots=True)
class Typing:
    """`shown`: how often ghost text appeared. `typed_through`: keys that it already had. A step is
    wasted if its fill never came to an end."""

    key_ms: int
    requests: int
    shown: int
    typed_through: int
    steps: int
    wasted_steps: int
    flicker: int
    stale: int


def rules() -> Iterator[dict[str, Any]]:
    """For tests.scripted: the rest of each line after each of its beginnings, longest first."""
    how = {"steps": STEPS, "delay": STEP_SECONDS}
    for line in LINES:
        yield {"after": f"\n{line}", "text": ""}
        for length in range(len(line) - 1, 0, -1):
            beginning = line[:length]
            meant = GUESS if GUESS.startswith(beginning) else line
            yield {"after": f"\n{beginning}", "text": meant[length:], **how}
    yield {"after": "\n", "text": ""}


class Editor:
    def __init__(self, client: Client, uri: str, text: str, language: str = "python") -> None:
        self.client = client
        self.document = Document(uri, 1, language, text, Encoding.Utf16)
        item = {"uri": uri, "languageId": language, "version": 1, "text": text}
        client.notify(t.TEXT_DOCUMENT_DID_OPEN, {"textDocument": item})

    async def type(self, at: int, text: str) -> Spent:
        """What the event loop was kept for, reading the message included."""
        range = self.document.range(at, at)
        position = {"line": range.start.line, "character": range.start.character}
        change = {"range": {"start": position, "end": position}, "text": text}
        event = t.TextDocumentContentChangePartial(range, text)
        self.document = self.document.edited([event], self.document.version + 1)
        identifier = {"uri": self.document.uri, "version": self.document.version}
        params = {"textDocument": identifier, "contentChanges": [change]}
        message = {"jsonrpc": "2.0", "method": t.TEXT_DOCUMENT_DID_CHANGE, "params": params}
        body = json.dumps(message).encode()
        protocol = self.client.server.protocol
        begun, cpu = time.perf_counter(), time.thread_time()
        protocol.receive(protocol.read(body))
        spent = time.perf_counter() - begun, time.thread_time() - cpu
        await asyncio.sleep(0.002)
        return spent

    def position(self, at: int) -> dict[str, int]:
        position = self.document.position(at)
        return {"line": position.line, "character": position.character}

    def ask(self, at: int) -> int:
        """For ghost text that comes by itself."""
        params = {
            "textDocument": {"uri": self.document.uri},
            "position": self.position(at),
            "context": {"triggerKind": t.InlineCompletionTriggerKind.Automatic.value},
        }
        return self.client.request(t.TEXT_DOCUMENT_INLINE_COMPLETION, params)


async def typing_at(seconds: float, script: str) -> Typing:
    """All of LINES at `seconds` a key. `script` has `rules` and a journal."""
    journal = Path(json.loads(Path(script).read_text())["journal"])
    client = Client(chaotic_server(script), "utf-16")
    client.initialize()
    await client.settled()
    warm = Editor(client, "file:///warm.py", "")
    warm.ask(0)
    await client.settled()
    before = len(journal.read_text().splitlines())
    editor = Editor(client, "file:///typed.py", "\n")
    watch = Watch(editor)
    typed = ""
    for at, key in enumerate("\n".join(LINES), 1):
        due = time.perf_counter() + seconds
        await editor.type(at, key)
        typed = "" if key == "\n" else typed + key
        watch.asked(editor.ask(at + 1), key)
        await watch.until(due + (THOUGHT if typed in THINKS_AFTER else 0.0))
    await client.settled()
    watch.look()
    events = [json.loads(line) for line in journal.read_text().splitlines()[before:]]
    client.server.session.close()
    done = {event["fill"] for event in events if event["event"] == "end"}
    steps = [event["fill"] for event in events if event["event"] == "step"]
    return Typing(
        round(1000 * seconds),
        watch.requests,
        watch.shown,
        watch.typed_through,
        len(steps),
        sum(fill not in done for fill in steps),
        watch.flicker,
        watch.stale,
    )


class Watch:
    """What a user sees while typing: each answer as it comes, on the text as it is by then."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self.requests = self.shown = self.typed_through = self.flicker = self.stale = 0
        self._newest = 0
        self._waiting: list[int] = []
        self._visible = ""

    def asked(self, id: int, key: str) -> None:
        """A key that goes on with what is shown leaves it there, shorter; another one hides it."""
        self._newest = id
        self._waiting.append(id)
        self.requests += 1
        goes_on = self._visible.startswith(key)
        self.typed_through += goes_on
        self._visible = self._visible[1:] if goes_on else ""

    async def until(self, then: float) -> None:
        while (left := then - time.perf_counter()) > 0:
            await asyncio.sleep(min(left, 0.002))
            self.look()
        self.look()  # all that came before the next key

    def look(self) -> None:
        for id in [id for id in self._waiting if id in self.editor.client.answers]:
            self._waiting.remove(id)
            self._answer(id, self.editor.client.results[id])

    def _answer(self, id: int, result: Any) -> None:
        if not result:
            if id == self._newest and self._visible:
                self.flicker += 1
                self._visible = ""
            return
        (item,) = result["items"]
        typed = self.editor.document.text
        _, _, line = typed.rpartition("\n")
        whole = line[: item["range"]["start"]["character"]] + item["insertText"]
        if whole not in (*LINES, GUESS) or not whole.startswith(line):
            self.stale += 1
            return
        now = whole.removeprefix(line)
        self.flicker += bool(self._visible) and self._visible != now
        self.shown += not self._visible
        self._visible = now
