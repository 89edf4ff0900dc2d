"""The syntax tree of one document version, asked by text offset."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lsp_server.difference import difference
from lsp_server.document import Document
from lsp_server.syntax.grammars import grammar
from lsp_server.syntax.path import Path

if TYPE_CHECKING:
    from tree_sitter import Node, Parser, Tree


_SPACE = b" \t\n\r\f\v"
_LONE_CR = re.compile(rb"\r(?!\n)")
# Bytes. What is shorter is parsed in a few milliseconds, and nobody watches it.
UNWATCHED = 1 << 14
CHUNK = 1 << 16
MOST_COMMENTS = 200
MOST_ERRORS = 1000
REST_EVERY = 2000
NEAR = 2000
# tree-sitter keeps the interpreter's lock: a long parse lets others run, so often and so long.
SHARE_EVERY = 0.001
SHARE = 0.0001


@dataclass(frozen=True, slots=True)
class SyntaxTree:
    """Of exactly `document`. tree-sitter counts bytes of `source`, callers count string indexes.

    `source` is the document's text, but for lone CRs: they are LFs there, as grammars know no
    other line end.

    Where `part` is given, of what lies between these two offsets: all else is unknown to it.
    """

    document: Document
    source: bytes
    tree: Tree
    part: tuple[int, int] | None = None
    # A place that has been converted, as index and byte: the next one mostly lies near.
    _anchor: list[tuple[int, int]] = field(
        default_factory=lambda: [(0, 0)], repr=False, compare=False
    )
    # Found out once, see `path` and `errors`.
    _path: list[Path] = field(default_factory=list, repr=False, compare=False)
    _errors: list[int] = field(default_factory=list, repr=False, compare=False)

    def node_at(self, offset: int) -> Node | None:
        """The smallest named node around the cursor at `offset`."""
        at = self.byte(offset)
        return self.path.smallest(at, at, named=True)

    def smallest(self, first: int, last: int) -> Node:
        """The smallest node, named or not, around the bytes from `first` to `last`."""
        return self.path.smallest(first, last)

    def leaf_before(self, offset: int) -> Node | None:
        """The last token that ends at or before `offset`, comments aside; None below too many."""
        end = self.byte(offset)
        for _ in range(MOST_COMMENTS):
            while end > 0 and self.source[end - 1] in _SPACE:
                end -= 1
            if end == 0:
                return None
            leaf = self.smallest(end - 1, end)
            comment = next((node for node in self.notable(leaf) if "comment" in node.type), None)
            if comment is None:
                return leaf
            end = comment.start_byte
        return None

    @property
    def path(self) -> Path:
        """On the event loop only: it is kept from one question to the next."""
        if not self._path:
            self._path.append(Path(self.tree.root_node, self.document.language))
        return self._path[0]

    def upwards(self, node: Node | None) -> Iterator[Node]:
        """`node`, what it is in, and so on to the root."""
        return self.path.upwards(node) if node is not None else iter(())

    def notable(self, node: Node | None) -> Iterator[Node]:
        """Functions, types, strings, comments, imports among `upwards`, however deep it is."""
        return self.path.notable(node) if node is not None else iter(())

    def parent(self, node: Node) -> Node | None:
        return self.path.parent(node)

    def errors(self, rest: Callable[[], object] = lambda: None) -> int:
        """How many nodes say that something cannot be, or is missing; counted once.

        `rest` is called every now and then: in a file of 100,000 statements it takes 50 ms.
        """
        if not self._errors:
            self._errors.append(_count_errors(self.tree.root_node, rest))
        return self._errors[0]

    def start(self, node: Node) -> int:
        """The text offset where `node` begins."""
        return self.offset(node.start_byte)

    def offset(self, byte: int) -> int:
        if self.document.text.isascii():
            return byte
        at, known = self._anchor[0]
        first, last = min(byte, known), max(byte, known)
        length = len(self.source[first:last].decode("utf-8", "surrogatepass"))
        return self._anchored(at + (length if byte > known else -length), byte)[0]

    def byte(self, offset: int) -> int:
        text = self.document.text
        if text.isascii():
            return offset
        known, at = self._anchor[0]
        first, last = min(offset, known), max(offset, known)
        length = len(text[first:last].encode("utf-8", "surrogatepass"))
        return self._anchored(offset, at + (length if offset > known else -length))[1]

    def _anchored(self, offset: int, byte: int) -> tuple[int, int]:
        if abs(offset - self._anchor[0][0]) > NEAR:
            self._anchor[0] = offset, byte
        return offset, byte


def parse(
    document: Document,
    base: SyntaxTree | None = None,
    time_cap: float | None = None,
    is_wanted: Callable[[], bool] = lambda: True,
) -> SyntaxTree | None:
    """None where the language has no grammar. 0.1 ms per kilobyte; other threads run.

    `base`, the tree of another version, makes it as quick as the edit between them is small.
    Raises TimeoutError after `time_cap` seconds of this thread's processor time, and as soon as it
    is no longer wanted; short texts are not watched.
    """
    language = grammar(document.language)
    if language is None:
        return None
    from tree_sitter import Parser

    source = _source(document.text)
    old = None
    if base is not None and base.document.language == document.language and base.part is None:
        old = _edited(base, document, source)
    tree = _parsed(Parser(language), source, old, time_cap, is_wanted)
    return SyntaxTree(document, source, tree)


def parse_part(
    document: Document, part: tuple[int, int], time_cap: float | None = None
) -> SyntaxTree | None:
    """The tree of what lies between the offsets `part`, as if nothing else were there.

    None and TimeoutError as from `parse`.
    """
    language = grammar(document.language)
    if language is None:
        return None
    from tree_sitter import Parser, Range

    source = _source(document.text)
    start = _count_bytes(document.text[: part[0]])
    end = start + _count_bytes(document.text[part[0] : part[1]])
    range = Range(_point(document, part[0]), _point(document, part[1]), start, end)
    parser = Parser(language, included_ranges=[range])
    watched = time_cap if end - start > UNWATCHED else None
    tree = _parsed(parser, source, None, watched)
    return SyntaxTree(document, source, tree, part, [(part[0], start)])


def _parsed(
    parser: Parser,
    source: bytes,
    old: Tree | None,
    time_cap: float | None,
    is_wanted: Callable[[], bool] = lambda: True,
) -> Tree:
    if time_cap is None or len(source) <= UNWATCHED:
        return parser.parse(source) if old is None else parser.parse(source, old)
    deadline = time.thread_time() + time_cap
    shared = time.perf_counter()

    def read(offset: int, _: object) -> bytes:
        return source[offset : offset + CHUNK]

    def is_over(*_: object) -> bool:
        nonlocal shared
        if time.perf_counter() - shared > SHARE_EVERY:
            time.sleep(SHARE)
            shared = time.perf_counter()
        return time.thread_time() > deadline or not is_wanted()

    try:
        if old is None:
            return parser.parse(read, progress_callback=is_over)
        return parser.parse(read, old, progress_callback=is_over)
    except ValueError as error:
        raise TimeoutError(f"parsing took over {time_cap:g} s, or was for nothing") from error


def _source(text: str) -> bytes:
    source = text.encode("utf-8", "surrogatepass")
    return _LONE_CR.sub(b"\n", source) if b"\r" in source else source


def _count_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _edited(base: SyntaxTree, document: Document, source: bytes) -> Tree:
    """A copy of `base`'s tree that has been told where `document` differs."""
    start, old_end, new_end = difference(base.document.text, document.text)
    if document.text.startswith("\r", start - 1) and start > 0:
        start -= 1  # whether a CR is a lone one depends on what follows it
    old_end_byte = base.byte(old_end)
    tree = base.tree.copy()
    tree.edit(
        start_byte=base.byte(start),
        old_end_byte=old_end_byte,
        new_end_byte=len(source) - (len(base.source) - old_end_byte),
        start_point=_point(document, start),
        old_end_point=_point(base.document, old_end),
        new_end_point=_point(document, new_end),
    )
    return tree


def _point(document: Document, offset: int) -> tuple[int, int]:
    """Row and column as tree-sitter counts them, in bytes. Its lines are ours, see `_source`."""
    row = document.line_at(offset)
    return row, _count_bytes(document.text[document.line_starts[row] : offset])


def _count_errors(root: Node, rest: Callable[[], object]) -> int:
    cursor, count, seen = root.walk(), 0, 0
    while count < MOST_ERRORS:
        node = cursor.node
        seen += 1
        if seen % REST_EVERY == 0:
            rest()
        if node is not None and node.has_error:
            count += node.is_error or node.is_missing
            if cursor.goto_first_child():
                continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return count
    return count
