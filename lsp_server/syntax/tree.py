"""The syntax tree of one document version, asked by text offset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsp_server.document import Document
from lsp_server.syntax.languages import grammar

if TYPE_CHECKING:
    from tree_sitter import Node, Tree


_SPACE = b" \t\n\r\f\v"


@dataclass(frozen=True, slots=True)
class SyntaxTree:
    """Of exactly `document`. tree-sitter counts bytes of `source`, callers count string indexes."""

    document: Document
    source: bytes
    tree: Tree

    def node_at(self, offset: int) -> Node | None:
        """The smallest named node around the cursor at `offset`."""
        at = self._byte(offset)
        return self.tree.root_node.named_descendant_for_byte_range(at, at)

    def leaf_before(self, offset: int) -> Node | None:
        """The last token that ends at or before `offset`, comments aside."""
        end = self._byte(offset)
        while True:
            while end > 0 and self.source[end - 1] in _SPACE:
                end -= 1
            if end == 0:
                return None
            leaf = self.tree.root_node.descendant_for_byte_range(end - 1, end)
            if leaf is None:
                return None
            comment = next((node for node in _upwards(leaf) if "comment" in node.type), None)
            if comment is None:
                return leaf
            end = comment.start_byte

    def start(self, node: Node) -> int:
        """The text offset where `node` begins."""
        if self.document.text.isascii():
            return node.start_byte
        return len(self.source[: node.start_byte].decode("utf-8", "surrogatepass"))

    def _byte(self, offset: int) -> int:
        if self.document.text.isascii():
            return offset
        return len(self.document.text[:offset].encode("utf-8", "surrogatepass"))


def parse(document: Document) -> SyntaxTree | None:
    """None where the language has no grammar. 0.1 ms per kilobyte; other threads run."""
    language = grammar(document.language)
    if language is None:
        return None
    from tree_sitter import Parser

    source = document.text.encode("utf-8", "surrogatepass")
    return SyntaxTree(document, source, Parser(language).parse(source))


def _upwards(node: Node) -> Iterator[Node]:
    current: Node | None = node
    while current is not None:
        yield current
        current = current.parent
