"""What became of what was shown, found without the editor's help: taken, typed over, left."""

from __future__ import annotations

from dataclasses import dataclass

from lsp_server.acceptance import Outcome, count_standing, followed, one_key
from lsp_server.document import Document
from lsp_server.suggest.history import Edit

# Shorter than this nobody has seen it, and so nobody has turned it down.
SEEN = 0.5
MOST_REJECTED = 500
NEAR = 200


@dataclass(slots=True)
class Shown:
    """`text` stands as a suggestion at `start`; `keys` are the places it was seen at, as it
    became shorter."""

    start: int
    text: str
    since: float
    keys: set[int]


class Feedback:
    def __init__(self) -> None:
        self._shown: dict[str, Shown] = {}
        self._rejected: dict[int, None] = {}

    def show(self, document: Document, offset: int, text: str, at: float) -> None:
        """The editor has been given `text` for `offset`. More of the same goes on being seen."""
        key = _key(document, offset, text)
        before = self._shown.get(document.uri)
        follows = before is not None and before.text.endswith(text)
        since = before.since if before is not None and follows else at
        keys = before.keys if before is not None and follows else set()
        self._shown[document.uri] = Shown(offset, text, since, keys | {key})

    def changed(self, document: Document, edit: Edit) -> Outcome | None:
        """What `edit`, which has led to `document`, says about the suggestion there, if anything.

        One that is typed into, or half accepted, or deleted back to, goes on.
        """
        shown = self._shown.get(document.uri)
        if shown is None:
            return None
        between = document.text[shown.start : edit.start]
        if edit.end < shown.start or not shown.text.startswith(between):
            del self._shown[document.uri]  # done elsewhere, which says nothing about this
            return None
        inserted = one_key(edit.inserted)
        now = document.text[shown.start : edit.start] + inserted
        if edit.start >= shown.start and shown.text.startswith(now):
            stands = count_standing(shown.text, document.text, shown.start)
            if stands == len(shown.text):
                del self._shown[document.uri]
            return followed(shown.text, stands, edit.inserted)
        del self._shown[document.uri]
        if edit.at - shown.since < SEEN or edit.is_deletion:
            return None
        for key in shown.keys:
            self._rejected[key] = None
        while len(self._rejected) > MOST_REJECTED:
            del self._rejected[next(iter(self._rejected))]
        return Outcome.REJECTED

    def was_rejected(self, document: Document, offset: int, text: str) -> bool:
        return _key(document, offset, text) in self._rejected

    def forget(self, uri: str) -> None:
        self._shown.pop(uri, None)


def _key(document: Document, offset: int, text: str) -> int:
    """The same text at the same place: after the same code, before the same rest of the line."""
    before = document.text[max(0, offset - NEAR) : offset]
    _, end = document.line_bounds(document.line_at(offset))
    return hash((document.uri, before, document.text[offset:end], text.strip()))
