"""An answer belongs to a version. Where the document has moved on: its new place, or none."""

from __future__ import annotations

from dataclasses import dataclass

from lsp_server.difference import difference
from lsp_server.document import Document
from lsp_server.gap import Gap


@dataclass(frozen=True, slots=True)
class Placed:
    """`text` is to replace [start, end) of `document`, the version that is open now."""

    document: Document
    start: int
    end: int
    text: str


def place(text: str, gap: Gap, current: Document | None, covers: int = 0) -> Placed | None:
    """Where `text`, the fill of `gap`, belongs in `current`; None if it must be dropped.

    `covers` characters after the gap are replaced as well.

    Two kinds of change are followed: the user has typed what the fill begins with, which the
    range then covers; or all edits lie clear of the gap, which has only moved. An edit that
    touches the gap in any other way ends the fill.
    """
    if current is None:
        return None
    if current.text == gap.document.text:
        return Placed(current, gap.start, gap.end + covers, text)
    typed = _typed_at(gap, current)
    if typed is not None:
        if not text.startswith(typed) or text == typed:
            return None
        return Placed(current, gap.start, gap.start + len(typed) + covers, text)
    start, end, _ = difference(gap.document.text, current.text)
    if start > gap.end + covers:
        return Placed(current, gap.start, gap.end + covers, text)
    if end < gap.start:
        moved = len(current.text) - len(gap.document.text)
        return Placed(current, gap.start + moved, gap.end + moved + covers, text)
    return None


def _typed_at(gap: Gap, current: Document) -> str | None:
    """What now stands in an empty gap, if nothing around it has changed."""
    if gap.end > gap.start:
        return None
    typed = len(current.text) - len(gap.document.text)
    if (
        typed <= 0
        or not current.text.startswith(gap.prefix)
        or not current.text.endswith(gap.suffix)
    ):
        return None
    return current.text[gap.start : gap.start + typed]
