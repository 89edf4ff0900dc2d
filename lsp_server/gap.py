"""From a cursor or a selection to the gap the model fills."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from engine.api import Shape
from lsp_server.document import Document
from lsp_server.syntax.blocks import opens_block_here, opens_empty_block
from lsp_server.syntax.place import Place, place_at
from lsp_server.syntax.tree import SyntaxTree

# Characters the model is sent from either side. The prefix's window moves in strides, so that one
# typed character does not move its start and the engine can keep what it has encoded.
MOST_BEFORE = 48_000
MOST_AFTER = 16_000
STRIDE = 8_000

_CODE = re.compile(r"\S")
# After the cursor: anything but brackets that close and what may follow them.
_MORE_TEXT = re.compile(r"[^\s)\]}>;,]")


@dataclass(frozen=True, slots=True)
class Gap:
    """What lies between `start` and `end` of `document` is to be replaced; often that is nothing.

    `indent` is the white space that the gap's first line begins with, before the gap. `node` is
    the type of the syntax node around the gap, and `tree` the one it was cut by: None without.
    """

    document: Document
    start: int
    end: int
    shape: Shape
    indent: str
    node: str | None = None
    place: Place = Place.CODE
    tree: SyntaxTree | None = field(default=None, repr=False, compare=False)

    @property
    def prefix(self) -> str:
        return self.document.text[: self.start]

    @property
    def suffix(self) -> str:
        return self.document.text[self.end :]

    @property
    def replaced(self) -> str:
        return self.document.text[self.start : self.end]

    def sides(self) -> tuple[str, str]:
        """What the model reads: the text around the gap, as near as fits, lines ended by LF."""
        text = self.document.text
        first = 0
        if self.start > MOST_BEFORE:
            strides = -(-(self.start - MOST_BEFORE) // STRIDE)
            first = _after_line_end(text, strides * STRIDE, self.start)
        last = min(len(text), self.end + MOST_AFTER)
        return with_lf(text[first : self.start]), with_lf(text[self.end : last])


def cut(
    document: Document, start: int, end: int | None = None, tree: SyntaxTree | None = None
) -> Gap:
    """The gap at the cursor `start`, or in the selection up to `end`; `tree` of this document.

    The syntax decides: a gap is a block where the selection spans lines, where a blank line stands
    for a missing body, or where the line has just opened one; otherwise, and in comments and
    strings, it is (the rest of) a line.
    """
    end = start if end is None else end
    line = document.line_at(start)
    place = place_at(document, start, tree)
    node = tree.node_at(start) if tree is not None else None
    is_block = document.line_at(end) > line
    if start == end and place in (Place.CODE, Place.IMPORT):
        is_block = _is_block(document, start, tree)
    return Gap(
        document=document,
        start=start,
        end=end,
        shape=Shape.BLOCK if is_block else Shape.LINE,
        indent=document.indent(line)[: start - document.line_starts[line]],
        node=node.type if node is not None else None,
        place=place,
        tree=tree,
    )


def _is_block(document: Document, offset: int, tree: SyntaxTree | None) -> bool:
    line = document.line_at(offset)
    _, end = document.line_bounds(line)
    if _MORE_TEXT.search(document.text, offset, end):
        return False
    if _CODE.search(document.text, document.line_starts[line], end) is None:
        return opens_empty_block(document, line, tree)
    return opens_block_here(document, offset, tree)


def with_lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _after_line_end(text: str, start: int, end: int) -> int:
    """The first line start from `start` on, or `start` itself where no line ends before `end`."""
    found = text.find("\n", start, end)
    return found + 1 if found >= 0 else start
