"""An answer belongs to a version. Where the document has moved on: its new place, or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lsp_server.document import Document
from lsp_server.gap import Gap


@dataclass(frozen=True, slots=True)
class Placed:
    """`text` is to replace [start, end) of `document`, the version that is open now."""

    document: Document
    start: int
    end: int
    text: str


def place(text: str, gap: Gap, current: Document | None) -> Placed | None:
    """Where `text`, the fill of `gap`, belongs in `current`; None if it must be dropped.

    Two kinds of change are followed: the user has typed what the fill begins with, which the
    range then covers; or all edits lie clear of the gap, which has only moved. An edit that
    touches the gap in any other way ends the fill.
    """
    if current is None:
        return None
    if current.text == gap.document.text:
        return Placed(current, gap.start, gap.end, text)
    typed = _typed_at(gap, current)
    if typed is not None:
        if not text.startswith(typed) or text == typed:
            return None
        return Placed(current, gap.start, gap.start + len(typed), text)
    start, end = _edited(gap.document.text, current.text)
    if start > gap.end:
        return Placed(current, gap.start, gap.end, text)
    if end < gap.start:
        moved = len(current.text) - len(gap.document.text)
        return Placed(current, gap.start + moved, gap.end + moved, text)
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


def _edited(old: str, new: str) -> tuple[int, int]:
    """The smallest range of `old` outside which the two texts agree."""
    most = min(len(old), len(new))
    start = _common(most, lambda count: old[:count] == new[:count])
    after = _common(most - start, lambda count: old[len(old) - count :] == new[len(new) - count :])
    return start, len(old) - after


def _common(most: int, agree: Callable[[int], bool]) -> int:
    """The largest count up to `most` for which `agree`, which holds for all smaller ones too."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if agree(middle):
            low = middle
        else:
            high = middle - 1
    return low
