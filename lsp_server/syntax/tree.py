"""The syntax tree of one document version, asked by text offset."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsp_server.difference import difference
from lsp_server.document import Document
from lsp_server.syntax.languages import grammar

if TYPE_CHECKING:
    from tree_sitter import Node, Tree


_SPACE = b" \t\n\r\f\v"
UNWATCHED = 1 << 16
CHUNK = 1 << 16
MOST_ERRORS = 1000


@dataclass(frozen=True, slots=True)
class SyntaxTree:
    """Of exactly `document`. tree-sitter counts bytes of `source`, callers count string indexes."""

    document: Document
    source: bytes
    tree: Tree

    def node_at(self, offset: int) -> Node | None:
        """The smallest named node around the cursor at `offset`."""
        at = self.byte(offset)
        return self.tree.root_node.named_descendant_for_byte_range(at, at)

    def leaf_before(self, offset: int) -> Node | None:
        """The last token that ends at or before `offset`, comments aside."""
        end = self.byte(offset)
        while True:
            while end > 0 and self.source[end - 1] in _SPACE:
                end -= 1
            if end == 0:
                return None
            leaf = self.tree.root_node.descendant_for_byte_range(end - 1, end)
            if leaf is None:
                return None
            comment = next((node for node in upwards(leaf) if "comment" in node.type), None)
            if comment is None:
                return leaf
            end = comment.start_byte

    def errors(self) -> int:
        """How many nodes say that something cannot be, or is missing."""
        count, waiting = 0, [self.tree.root_node]
        while waiting and count < MOST_ERRORS:
            node = waiting.pop()
            if node.is_error or node.is_missing:
                count += 1
            waiting += [child for child in node.children if child.has_error]
        return count

    def start(self, node: Node) -> int:
        """The text offset where `node` begins."""
        if self.document.text.isascii():
            return node.start_byte
        return len(self.source[: node.start_byte].decode("utf-8", "surrogatepass"))

    def byte(self, offset: int) -> int:
        if self.document.text.isascii():
            return offset
        return len(self.document.text[:offset].encode("utf-8", "surrogatepass"))


def parse(
    document: Document, base: SyntaxTree | None = None, time_cap: float | None = None
) -> SyntaxTree | None:
    """None where the language has no grammar. 0.1 ms per kilobyte; other threads run.

    `base`, the tree of another version, makes it as quick as the edit between them is small.
    Raises TimeoutError after `time_cap` seconds; short texts are not watched.
    """
    language = grammar(document.language)
    if language is None:
        return None
    from tree_sitter import Parser

    source = document.text.encode("utf-8", "surrogatepass")
    old = None
    if base is not None and base.document.language == document.language:
        old = _edited(base, document, source)
    parser = Parser(language)
    if time_cap is None or len(source) <= UNWATCHED:
        tree = parser.parse(source) if old is None else parser.parse(source, old)
        return SyntaxTree(document, source, tree)
    deadline = time.monotonic() + time_cap

    def read(offset: int, _: object) -> bytes:
        return source[offset : offset + CHUNK]

    def is_late(*_: object) -> bool:
        return time.monotonic() > deadline

    try:
        if old is None:
            tree = parser.parse(read, progress_callback=is_late)
        else:
            tree = parser.parse(read, old, progress_callback=is_late)
    except ValueError as error:
        raise TimeoutError(f"parsing took over {time_cap:g} s") from error
    return SyntaxTree(document, source, tree)


def _edited(base: SyntaxTree, document: Document, source: bytes) -> Tree:
    """A copy of `base`'s tree that has been told where `document` differs."""
    start, old_end, _ = difference(base.document.text, document.text)
    start_byte, old_end_byte = base.byte(start), base.byte(old_end)
    new_end_byte = len(source) - (len(base.source) - old_end_byte)
    tree = base.tree.copy()
    tree.edit(
        start_byte=start_byte,
        old_end_byte=old_end_byte,
        new_end_byte=new_end_byte,
        start_point=_point(source, start_byte),
        old_end_point=_point(base.source, old_end_byte),
        new_end_point=_point(source, new_end_byte),
    )
    return tree


def _point(source: bytes, at: int) -> tuple[int, int]:
    """Row and column as tree-sitter counts them: bytes, after line feeds only."""
    return source.count(b"\n", 0, at), at - (source.rfind(b"\n", 0, at) + 1)


def upwards(node: Node) -> Iterator[Node]:
    current: Node | None = node
    while current is not None:
        yield current
        current = current.parent
