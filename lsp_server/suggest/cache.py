"""Fills that have been computed, found again while the user types into them.

An entry is keyed on what stands before and after its gap, and in a notebook on its other cells. It
fits a cursor after its beginning has been typed, pasted or accepted, whether the editor has closed
brackets by itself or not.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from engine.api import Shape
from engine.fill.brackets import CLOSING, balance, open_quote
from lsp_server.document import Document
from lsp_server.suggest.clean.around import Around
from lsp_server.suggest.clean.overlap import overwritten

MOST = 250
# Characters on either side that have to be the same.
WINDOW = 16_000
Key = tuple[str, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Entry:
    """`text` was the fill at `start`. `before` and `after` are hashes of what was around it in the
    document, `outside` of what the model has read around the document: a notebook's other cells."""

    uri: str
    start: int
    before: int
    after: int
    text: str
    confidence: float
    outside: int = 0

    @property
    def key(self) -> Key:
        return self.uri, self.start, self.before, self.after, self.outside


@dataclass(frozen=True, slots=True)
class Hit:
    """What of `entry` is still to come at the cursor, replacing `covers` characters after it."""

    entry: Entry
    text: str
    covers: int


class Cache:
    def __init__(self) -> None:
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._shown: dict[str, Entry] = {}

    def store(
        self, document: Document, offset: int, text: str, confidence: float, outside: int = 0
    ) -> Entry:
        """`text` is the fill of the empty gap at `offset`, with closers that it writes over."""
        before, after = _around(document.text, offset, offset)
        entry = Entry(document.uri, offset, before, after, text, confidence, outside)
        self._entries[entry.key] = entry
        self._entries.move_to_end(entry.key)
        if len(self._entries) > MOST:
            self._entries.popitem(last=False)
        return entry

    def look(self, document: Document, offset: int, outside: int = 0) -> Hit | None:
        """The entry that was shown last if it fits, else the newest that does: no flicker."""
        for entry in self._candidates(document.uri):
            hit = _match(entry, document, offset) if entry.outside == outside else None
            if hit is not None:
                return hit
        return None

    def show(self, entry: Entry) -> None:
        self._shown[entry.uri] = entry

    def is_shown(self, entry: Entry) -> bool:
        return self._shown.get(entry.uri) is entry

    def hide(self, uri: str) -> None:
        """The one that is shown has been turned down."""
        self._shown.pop(uri, None)

    def forget(self, uri: str) -> None:
        self.hide(uri)
        for key in [key for key in self._entries if key[0] == uri]:
            del self._entries[key]

    def clear(self) -> None:
        self._entries.clear()
        self._shown.clear()

    def _candidates(self, uri: str) -> Iterator[Entry]:
        shown = self._shown.get(uri)
        if shown is not None:
            yield shown
        yield from [each for each in reversed(self._entries.values()) if each.uri == uri]


def _match(entry: Entry, document: Document, offset: int) -> Hit | None:
    typed = document.text[entry.start : offset]
    if not 0 <= offset - entry.start < len(entry.text) or not entry.text.startswith(typed):
        return None
    for closed in _closed_by_editor(entry, document, offset):
        if _around(document.text, entry.start, offset + closed) == (entry.before, entry.after):
            text = entry.text[len(typed) :]
            line = document.line_at(offset)
            start, end = document.line_bounds(line)
            here = Around(
                document.text[start:offset],
                document.text[offset : max(offset, end)],
                Shape.BLOCK,
                language=document.language,
                may_overwrite=True,
            )
            covers = overwritten(text, here)
            is_there = text == document.text[offset : offset + covers]
            return None if is_there else Hit(entry, text, covers)
    return None


def _closed_by_editor(entry: Entry, document: Document, offset: int) -> Iterator[int]:
    """How many characters after the cursor may be closers that the editor has added meanwhile."""
    yield 0
    typed = document.text[entry.start : offset]
    if not typed:
        return
    line_start = document.line_starts[document.line_at(entry.start)]
    quote = open_quote(document.text[line_start:offset])
    was_open = open_quote(document.text[line_start : entry.start])
    wanted = quote if quote != was_open else ""
    opened = balance(typed.rstrip(quote) if quote else typed, document.language).opened
    wanted += "".join(CLOSING[opener] for opener in reversed(opened))
    for count in range(1, len(wanted) + 1):
        if document.text[offset : offset + count] == wanted[:count]:
            yield count


def _around(text: str, start: int, end: int) -> tuple[int, int]:
    return hash(text[max(0, start - WINDOW) : start]), hash(text[end : end + WINDOW])
