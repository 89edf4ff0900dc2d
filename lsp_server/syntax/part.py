"""The part of a long document that can be parsed by itself: the definitions around an offset.

A long document takes the parser 30 ms, and five times as long when a bracket has just been opened
and everything below seems to stand in it. The definitions around the cursor take a millisecond, and
whatever is open among them ends with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from lsp_server.difference import difference
from lsp_server.document import Document
from lsp_server.syntax.blocks import indent_width
from lsp_server.syntax.tree import SyntaxTree

# Characters. What is shorter is parsed as a whole; a part that is longer is none.
LONG = 8_000
LONGEST = 12_000
# Definitions begin a line, or are members of what does: columns that a part may begin at.
DEPTHS = (0, 2, 4, 8)
# On either side of the offset: the definition that has just ended is part of what is around it.
NEIGHBOURS = 2

# What is searched for them at first, on either side.
FIRST_LINES = 32

# Nodes that are not to be taken apart.
_WHOLE = re.compile("string|comment|function|method|lambda|closure")
_PARAGRAPH = re.compile(r"(?:\r\n?+|\n)[^\S\r\n]*+(?:\r\n?+|\n)(?P<line>[^\S\r\n]*+)(?=[^\r\n])")
_CLOSERS = (")", "]", "}", "*/", "end")


def part_around(document: Document, offset: int, known: SyntaxTree) -> tuple[int, int] | None:
    """Where the part around `offset` starts and ends; None where it would be too long.

    It begins and ends at paragraphs of the text that `known`, the tree of an older version, does
    not have inside of anything that is one piece.
    """
    changed = difference(known.document.text, document.text)

    def edge(depth: int, *, above: bool) -> int | None:
        """Where the NEIGHBOURS-th definition on that side begins, if it is near."""
        begins = (
            at
            for at, indent in _paragraphs(document, offset, above=above)
            if indent <= depth and _is_between(at, known, changed)
        )
        return next(islice(begins, NEIGHBOURS - 1, None), None)

    for depth in DEPTHS:
        start, end = edge(depth, above=True), edge(depth, above=False)
        if start is None and offset <= LONGEST:
            start = 0
        if end is None and len(document.text) - offset <= LONGEST:
            end = len(document.text)
        if start is not None and end is not None and end - start <= LONGEST:
            return start, end
    return None


def _paragraphs(document: Document, offset: int, *, above: bool) -> Iterator[tuple[int, int]]:
    """Where paragraphs begin, and how deep: above the offset or below, the nearest first.

    They begin after a blank line, but not with what ends something that began before. Mostly the
    first few are wanted, so the text is searched by pieces that grow.
    """
    edge, count = document.line_at(offset) + 1, FIRST_LINES
    last = len(document.line_starts)
    while edge > 0 if above else edge < last:
        lines = (max(0, edge - count), edge) if above else (edge, min(last, edge + count))
        found = _paragraphs_of(document, offset, *lines)
        yield from reversed(list(found)) if above else found
        edge, count = lines[0 if above else 1], 2 * count
        if above and document.line_starts[edge] < offset - LONGEST:
            return
        if not above and edge < last and document.line_starts[edge] > offset + LONGEST:
            return


def _paragraphs_of(
    document: Document, offset: int, first: int, last: int
) -> Iterator[tuple[int, int]]:
    """Those that begin in lines [first, last), within LONGEST of the offset."""
    text, starts = document.text, document.line_starts
    # The blank line, and what ends the line before it.
    start = starts[first - 1] - len("\r\n") if first else 0
    end = starts[last] if last < len(starts) else len(text)
    start, end = max(0, start, offset - LONGEST), min(end, offset + LONGEST)
    for found in _PARAGRAPH.finditer(text, start, end):
        at = found.start("line")
        if at >= starts[first] and not text.startswith(_CLOSERS, found.end()):
            yield at, indent_width(found["line"])


def _is_between(at: int, known: SyntaxTree, changed: tuple[int, int, int]) -> bool:
    """Whether `known` has no function, string or comment around `at`, or the text there is new."""
    start, old_end, new_end = changed
    if start < at < new_end:
        return True
    byte = known.byte(at if at <= start else at - new_end + old_end)
    node = known.smallest(byte, byte)
    return not any(
        each.start_byte < byte < each.end_byte and _WHOLE.search(each.type)
        for each in known.notable(node)
    )
