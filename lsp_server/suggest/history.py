"""What the user has just done to each document: typed, deleted, undone."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from lsp_server.difference import difference
from lsp_server.document import Document

REMEMBERED = 100


@dataclass(frozen=True, slots=True)
class Edit:
    """`removed` characters at `start` have become `inserted`, at time `at`. `came_back`: the text
    is one that the document has had before."""

    start: int
    removed: str
    inserted: str
    at: float
    came_back: bool = False

    @property
    def end(self) -> int:
        return self.start + len(self.inserted)

    @property
    def is_deletion(self) -> bool:
        return bool(self.removed) and not self.inserted

    @property
    def is_undo(self) -> bool:
        """Undo or redo, which LSP does not tell; a key that is typed again looks the same."""
        return self.came_back


class History:
    """Of all open documents. Keeps hashes, no texts."""

    def __init__(self) -> None:
        self._texts: dict[str, deque[int]] = {}
        self._last: dict[str, Edit] = {}

    def opened(self, document: Document) -> None:
        self._texts[document.uri] = deque([hash(document.text)], REMEMBERED)
        self._last.pop(document.uri, None)

    def changed(self, old: Document, new: Document, at: float) -> Edit | None:
        """The edit between two versions; None where the text is the same."""
        if old.text == new.text:
            return None
        start, old_end, new_end = difference(old.text, new.text)
        text = hash(new.text)
        texts = self._texts.setdefault(new.uri, deque(maxlen=REMEMBERED))
        edit = Edit(start, old.text[start:old_end], new.text[start:new_end], at, text in texts)
        texts.append(text)
        self._last[new.uri] = edit
        return edit

    def closed(self, uri: str) -> None:
        self._texts.pop(uri, None)
        self._last.pop(uri, None)

    def last(self, uri: str) -> Edit | None:
        return self._last.get(uri)
