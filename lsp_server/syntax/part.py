"""The part of a long document that can be parsed by itself: the definitions around an offset.

A long document takes the parser 30 ms, and five times as long when a bracket has just been opened
and everything below seems to stand in it. The definitions around the cursor take a millisecond, and
whatever is open among them ends with them.
"""

from __future__ import annotations

import re
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

# Nodes that are not to be taken apart.
_WHOLE = re.compile("string|comment|function|method|lambda|closure")
_PARAGRAPH = re.compile(r"(?:\r\n?|\n)[^\S\r\n]*+(?:\r\n?|\n)(?P<line>[^\S\r\n]*+)(?=[^\r\n])")
_CLOSERS = (")", "]", "}", "*/", "end")


def part_around(document: Document, offset: int, known: SyntaxTree) -> tuple[int, int] | None:
    """Where the part around `offset` starts and ends; None where it would be too long.

    It begins and ends at paragraphs of the text that `known`, the tree of an older version, does
    not have inside of anything that is one piece.
    """
    changed = difference(known.document.text, document.text)
    above, below = _paragraphs(document, offset)

    def edge(paragraphs: list[tuple[int, int]], depth: int) -> int | None:
        """Where the NEIGHBOURS-th definition among `paragraphs` begins, if that is near."""
        begins = (
            at for at, indent in paragraphs if indent <= depth and _is_between(at, known, changed)
        )
        return next(islice(begins, NEIGHBOURS - 1, None), None)

    for depth in DEPTHS:
        start, end = edge(above, depth), edge(below, depth)
        if start is None and offset <= LONGEST:
            start = 0
        if end is None and len(document.text) - offset <= LONGEST:
            end = len(document.text)
        if start is not None and end is not None and end - start <= LONGEST:
            return start, end
    return None


def _paragraphs(
    document: Document, offset: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Where paragraphs begin, and how deep: above the offset and below, the nearest first.

    They begin after a blank line, but not with what ends something that began before.
    """
    text, here = document.text, document.line_at(offset)
    first, last = max(0, offset - LONGEST), min(len(text), offset + LONGEST)
    begins = []
    for found in _PARAGRAPH.finditer(text, first, last):
        at = found.start("line")
        if at - offset >= -LONGEST and not text.startswith(_CLOSERS, found.end()):
            begins.append((at, indent_width(found["line"])))
    above = [each for each in reversed(begins) if document.line_at(each[0]) <= here]
    return above, [each for each in begins if document.line_at(each[0]) > here]


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
