"""The way from the root of a syntax tree down to a node, walked once and kept.

A node of tree-sitter does not know what it stands in: `Node.parent` and the siblings search for it
from the root down. A walk upwards by them takes the square of the depth, 1.2 s in an expression of
5,000 lines. Here the way is walked from the top, in one go, and the next node's mostly shares it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from lsp_server.syntax.grammars import grammar

if TYPE_CHECKING:
    from tree_sitter import Node

# What may be asked for however far above it stands. In a long expression, a deep nest of brackets
# or a chain of `else if` nothing of it lies between the cursor and its function.
NOTABLE = re.compile(
    r"func|method|lambda|closure|constructor|class|struct|enum|union|interface|trait|record|module"
    r"|type_(declaration|item|alias)|annotation_type|string|comment|import|include|using"
    r"|use_declaration|extern_crate|interpolation|substitution|expansion"
)

# Levels from the root down. A way that is longer is that of no code that anybody wrote: of the rest
# only what is around the node is known, so that a cursor in it costs a millisecond.
DEEPEST = 1_000
# Bytes on one side of a node: what ends or begins within these is around it.
AROUND = 256

# A node, what is above it, and the nearest notable one from it on, linked likewise: whoever walks
# up such links is not disturbed by the next way.
_Link = tuple["Node", "_Link | None", "_Notable | None"]
_Notable = tuple["Node", "_Notable | None"]


@cache
def notable_kinds(language: str) -> frozenset[int]:
    """The ids of the kinds of nodes that NOTABLE names, in `language`'s grammar."""
    known = grammar(language)
    if known is None:
        return frozenset()
    names = ((number, known.node_kind_for_id(number)) for number in range(known.node_kind_count))
    return frozenset(number for number, name in names if name and NOTABLE.search(name))


class Path:
    """Of one tree. A node's way takes the time of the part that it does not share with the last."""

    def __init__(self, root: Node, language: str) -> None:
        self._kinds = notable_kinds(language)
        self._links: list[_Link] = []  # of the last node's way, from the root down
        self._add(root)

    def upwards(self, node: Node) -> Iterator[Node]:
        """`node`, what it stands in, and so on to the root."""
        link: _Link | None = self._links[self._go_to(node)]
        while link is not None:
            yield link[0]
            link = link[1]

    def notable(self, node: Node) -> Iterator[Node]:
        """Those of `upwards` that are notable, without a look at the others."""
        depth = self._go_to(node)
        notable = self._links[depth][2]
        while notable is not None:
            yield notable[0]
            notable = notable[1]

    def parent(self, node: Node) -> Node | None:
        depth = self._go_to(node)
        return self._links[depth - 1][0] if depth else None

    def smallest(self, start: int, end: int, *, named: bool = False) -> Node:
        """As `descendant_for_byte_range` of the root, which looks through all levels above."""
        # Strictly inside: of two nodes that meet at `start`, the root's search may want the other.
        inside = self._count(lambda at: at.start_byte < start < at.end_byte and end <= at.end_byte)
        at = self._links[inside - 1][0]
        while named and not at.is_named:
            inside -= 1
            at = self._links[inside - 1][0]
        search = at.named_descendant_for_byte_range if named else at.descendant_for_byte_range
        return search(start, end) or at

    def _go_to(self, node: Node) -> int:
        """The depth of `node`, which is on the kept way afterwards."""
        start, end = node.start_byte, node.end_byte
        around = self._count(lambda at: at.start_byte <= start and end <= at.end_byte)
        for depth in range(around - 1, -1, -1):
            at = self._links[depth][0]
            if at.id == node.id:
                return depth
            if at.start_byte != start or at.end_byte != end:
                break
        # What has no width may stand at the edge of a node without being in it.
        if not self._descend(node, around) and not self._descend(node, 1):
            self._add(node)
        return len(self._links) - 1

    def _count(self, holds: Callable[[Node], bool]) -> int:
        """How many nodes of the kept way do what all above them do; the root counts in any case."""
        low, high = 1, len(self._links)
        while low < high:
            middle = (low + high) // 2
            if holds(self._links[middle][0]):
                low = middle + 1
            else:
                high = middle
        return low

    def _descend(self, node: Node, kept: int) -> bool:
        """Whether `node` has been reached, or as much of the way to it as is wanted."""
        del self._links[kept:]
        at = self._walk(node, max(DEEPEST - kept, AROUND))
        if at is None or at.id == node.id:
            return at is not None
        near = self._near(node)
        if near.end_byte - near.start_byte < at.end_byte - at.start_byte:
            self._add(near)
        at = self._walk(node, DEEPEST)
        if at is None or at.id != node.id:
            self._add(node)
        return True

    def _walk(self, node: Node, levels: int) -> Node | None:
        """So many levels down from the end of the way, or to `node`; None where it is not there."""
        links, kinds, wanted = self._links, self._kinds, node.id
        link = links[-1]
        at: Node | None = link[0]
        for _ in range(levels):
            if at is None or at.id == wanted:
                break
            at = at.child_with_descendant(node)
            if at is not None:
                link = (at, link, (at, link[2]) if at.kind_id in kinds else link[2])
                links.append(link)
        return at

    def _near(self, node: Node) -> Node:
        """What `node` is in, and few levels above it: each of these begins and ends around it."""
        root = self._links[0][0]
        first = max(root.start_byte, node.start_byte - AROUND)
        last = min(root.end_byte, node.end_byte + AROUND)
        found = [root]
        # The smallest around as many bytes as the node itself has may be a node within it.
        if first < node.start_byte:
            found.append(root.descendant_for_byte_range(first, node.end_byte) or root)
        if last > node.end_byte:
            found.append(root.descendant_for_byte_range(node.start_byte, last) or root)
        return min(found, key=lambda each: each.end_byte - each.start_byte)

    def _add(self, node: Node) -> None:
        above = self._links[-1] if self._links else None
        notable = above[2] if above is not None else None
        if node.kind_id in self._kinds:
            notable = (node, notable)
        self._links.append((node, above, notable))


def children(node: Node, *, named: bool = False) -> Iterator[Node]:
    """One by one, for who may not want them all: `Node.children` makes a list of every one."""
    cursor = node.walk()
    goes_on = cursor.goto_first_child()
    while goes_on:
        child = cursor.node
        if child is not None and (child.is_named or not named):
            yield child
        goes_on = cursor.goto_next_sibling()


def last_child(node: Node) -> Node | None:
    return node.child(node.child_count - 1) if node.child_count else None
