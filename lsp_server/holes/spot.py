"""Where the user asks: a range of a document, with what the syntax tree says about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsp_server import languages
from lsp_server.document import Document
from lsp_server.languages.language import Language
from lsp_server.syntax.tree import SyntaxTree

if TYPE_CHECKING:
    from tree_sitter import Node

UNIT_SAMPLE = 20_000
# Characters of a line that may have a million.
NEAR = 200
_CODE = re.compile(r"\S")
_INDENTED = re.compile(r"^(\t|  +)(?=\S)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Spot:
    """`automatic`: nobody has asked; the editor wants to know whether to show its light bulb."""

    document: Document
    start: int
    end: int
    tree: SyntaxTree | None
    automatic: bool = False

    @property
    def language(self) -> str:
        return self.document.language

    @property
    def record(self) -> Language:
        return languages.of(self.document.language)

    @property
    def line(self) -> int:
        return self.document.line_at(self.start)

    def nodes(self) -> Iterator[Node]:
        """The notable nodes that the range lies in, from the smallest on; then what ends before."""
        if self.tree is None:
            return
        first, last = self.tree.byte(self.start), self.tree.byte(self.end)
        yield from self.tree.notable(self.tree.smallest(first, last))
        yield from self.tree.notable(self.tree.leaf_before(self.start))

    def node_before(self) -> Node | None:
        """The token that the cursor is right behind, or in."""
        if self.tree is None:
            return None
        at = self.tree.byte(self.start)
        return self.tree.smallest(max(0, at - 1), at)

    def upwards(self, node: Node | None) -> Iterator[Node]:
        """`node`, what it is in, and so on to the root: for who looks at what is near."""
        return self.tree.upwards(node) if self.tree is not None else iter(())

    def notable(self, node: Node | None) -> Iterator[Node]:
        """Functions, types, strings and comments among `upwards`, however deep it is."""
        return self.tree.notable(node) if self.tree is not None else iter(())

    def parent(self, node: Node) -> Node | None:
        return self.tree.parent(node) if self.tree is not None else None

    def node_of(self, start: int, end: int) -> Node | None:
        if self.tree is None:
            return None
        return self.tree.smallest(self.tree.byte(start), self.tree.byte(end))

    def start_of(self, node: Node) -> int:
        assert self.tree is not None
        return self.tree.offset(node.start_byte)

    def end_of(self, node: Node) -> int:
        assert self.tree is not None
        return self.tree.offset(node.end_byte)

    def text_of(self, node: Node) -> str:
        return (node.text or b"").decode("utf-8", "replace")

    def line_start(self, offset: int) -> int:
        return self.document.line_starts[self.document.line_at(offset)]

    def line_end(self, offset: int) -> int:
        return self.document.line_bounds(self.document.line_at(offset))[1]

    def indent_at(self, offset: int) -> str:
        """The white space that the line of `offset` begins with."""
        return self.document.indent(self.document.line_at(offset))

    def begins_line(self, offset: int) -> bool:
        return _is_blank(self.document.text, self.line_start(offset), offset)

    def ends_line(self, offset: int) -> bool:
        return _is_blank(self.document.text, offset, self.line_end(offset))

    def before(self, offset: int) -> str:
        """What stands before `offset` on its line, as far as one has to look to know the syntax."""
        return self.document.text[max(self.line_start(offset), offset - NEAR) : offset]

    def after(self, offset: int) -> str:
        return self.document.text[offset : min(self.line_end(offset), offset + NEAR)]

    def unit(self) -> str:
        """One level of indentation, as this document has it."""
        found = _INDENTED.findall(self.document.text[:UNIT_SAMPLE])
        if not found:
            return self.record.indent_unit
        return "\t" if "\t" in found else min(found, key=len)


def _is_blank(text: str, start: int, end: int) -> bool:
    """No copy is made of what may be a long line."""
    return _CODE.search(text, start, end) is None
