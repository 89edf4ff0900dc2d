"""The part of a long document that can be parsed by itself: the definitions around an offset.

A long document takes the parser 30 ms, and five times as long when a bracket has just been opened
and everything below seems to stand in it. The definitions around the cursor take a millisecond, and
whatever is open among them ends with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice, takewhile

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
_CLOSERS = (")", "]", "}", "*/", "end")


def part_around(document: Document, offset: int, known: SyntaxTree) -> tuple[int, int] | None:
    """Where the part around `offset` starts and ends; None where it would be too long.

    It begins and ends at paragraphs of the text that `known`, the tree of an older version, does
    not have inside of anything that is one piece.
    """
    changed = difference(known.document.text, document.text)
    here, last = document.line_at(offset), len(document.line_starts) - 1

    def edge(lines: Iterable[int], depth: int) -> int | None:
        """Where the NEIGHBOURS-th definition among `lines` begins, if that is near."""
        begins = (
            at
            for at in takewhile(
                lambda at: abs(at - offset) <= LONGEST,
                (document.line_starts[line] for line in lines),
            )
            if _begins_paragraph(document, at, depth) and _is_between(at, known, changed)
        )
        return next(islice(begins, NEIGHBOURS - 1, None), None)

    for depth in DEPTHS:
        start = edge(range(here, 0, -1), depth)
        end = edge(range(here + 1, last + 1), depth)
        if start is None and offset <= LONGEST:
            start = 0
        if end is None and len(document.text) - offset <= LONGEST:
            end = len(document.text)
        if start is not None and end is not None and end - start <= LONGEST:
            return start, end
    return None


def _begins_paragraph(document: Document, at: int, depth: int) -> bool:
    """After a blank line, no deeper than `depth`, and nothing that ends what began before."""
    line = document.line_at(at)
    text = document.line_text(line)
    if not text.strip() or document.line_text(line - 1).strip():
        return False
    return indent_width(text) <= depth and not text.lstrip().startswith(_CLOSERS)


def _is_between(at: int, known: SyntaxTree, changed: tuple[int, int, int]) -> bool:
    """Whether `known` has no function, string or comment around `at`, or the text there is new."""
    start, old_end, new_end = changed
    if start < at < new_end:
        return True
    byte = known.byte(at if at <= start else at - new_end + old_end)
    node = known.tree.root_node.descendant_for_byte_range(byte, byte)
    return not any(
        each.start_byte < byte < each.end_byte and _WHOLE.search(each.type)
        for each in known.notable(node)
    )
