"""infill/draft: the canvas after each denoising step, for editors that show it in place.

A notification per hole: {id, uri, version, hole, holes, range, text, step, of, confidence, done,
note}.
`id` is the same for all drafts of a fill. `range`, in `version` of the document, is what `text`
would replace, a token that is repeated again and again shown once (see folding.py); `confidence`
is a list of {start, end, confidence}, in characters of `text` as the position encoding counts them.
The last draft of a fill is sent again with `done` when the fill has ended in any way: what is shown
can go. Where it goes into the document, `text` is then exactly what is put in first, and
`confidence` is empty. That may be another candidate than the last draft, or less than all of it:
`note` says so, in words for the user, and is empty otherwise.

Holes may share a place: the parts of a docstring all have the same empty range. What stands there
is their texts one after another, by `hole`; all that goes between them is in the texts.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

from lsprotocol import types as t
from pygls.lsp.server import LanguageServer

from engine.api import Draft, Span
from lsp_server.document import Document, count_units
from lsp_server.holes.hole import Hole
from lsp_server.notify.folding import folded

METHOD = "infill/draft"
LEAST_INTERVAL = 1 / 30

_ids = itertools.count(1)


class DraftStream:
    """Sends at most one draft per `LEAST_INTERVAL`, and always the last one."""

    def __init__(self, server: LanguageServer, document: Document, holes: Sequence[Hole]) -> None:
        self._server = server
        self._document = document
        self._holes = holes
        self._ranges = [document.range(hole.start, hole.end) for hole in holes]
        self._id = next(_ids)
        self._newest: Draft | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self._sent_at = float("-inf")

    def on_draft(self, draft: Draft) -> None:
        """On the event loop."""
        self._newest = draft
        if self._waiting is None:
            loop = asyncio.get_running_loop()
            delay = self._sent_at + LEAST_INTERVAL - loop.time()
            if delay <= 0:
                self._send(draft)
            else:
                self._waiting = loop.call_later(delay, self._send_newest)

    def close(self, settled: Sequence[str] | None = None) -> None:
        """`settled`: what each hole becomes in the document; "" for one that stays as it is."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._send_newest()  # or else what is seen last was not the last draft
        if self._newest is not None:
            self._send(self._newest, True, settled)

    def _send_newest(self) -> None:
        self._waiting = None
        if self._newest is not None:
            self._send(self._newest)

    def _send(self, draft: Draft, done: bool = False, settled: Sequence[str] | None = None) -> None:
        self._sent_at = asyncio.get_running_loop().time()
        for number, (hole, range, text) in enumerate(
            zip(self._holes, self._ranges, draft.texts, strict=True)
        ):
            spans = draft.confidence[number] if draft.confidence else ()
            shown = self._as_written(hole, text, spans)
            note = ""
            if settled is not None:
                stays = self._document.text[hole.start : hole.end]
                note = note_on(hole.before + text + hole.after, settled[number])
                shown = {"text": settled[number] or stays, "confidence": []}
            self._server.protocol.notify(
                METHOD,
                {
                    "id": self._id,
                    "uri": self._document.uri,
                    "version": self._document.reported_version,
                    "hole": number,
                    "holes": len(self._holes),
                    "range": _as_json(range),
                    **shown,
                    "step": draft.step,
                    "of": draft.of,
                    "done": done,
                    "note": note,
                },
            )

    def _as_written(self, hole: Hole, text: str, spans: Sequence[Span]) -> dict[str, Any]:
        """The text with what is written around it and the document's line ends, and its spans."""
        text, spans = folded(text, spans)
        whole = hole.before + text + hole.after
        return {
            "text": whole.replace("\n", self._document.newline),
            "confidence": spans_in_units(self._document, hole, text, spans),
        }


def note_on(draft: str, settled: str) -> str:
    """How what is put in differs from the last `draft`, white space aside."""
    shown, put = ("".join(each.split()) for each in (draft, settled))
    if put == shown:
        return ""
    if not put:
        return "the hole stays as it is: nothing that fits it was found"
    if put in shown:
        return "what is put in is the last draft, shortened to what fits there"
    return "what is put in is another candidate than the last draft: it fits better"


def spans_in_units(
    document: Document, hole: Hole, text: str, spans: Sequence[Span]
) -> list[dict[str, Any]]:
    """`spans` of `text` as they lie in what is written: characters as `document` counts them."""

    def units(end: int) -> int:
        written = (hole.before + text[:end]).replace("\n", document.newline)
        return count_units(written, document.encoding)

    return [
        {
            "start": units(span.start),
            "end": units(span.end),
            "confidence": round(span.confidence, 3),
        }
        for span in spans
    ]


def _as_json(range: t.Range) -> dict[str, dict[str, int]]:
    return {
        name: {"line": position.line, "character": position.character}
        for name, position in (("start", range.start), ("end", range.end))
    }
