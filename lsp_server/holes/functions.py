"""Functions and other things with a name, in every language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from lsp_server.holes.spot import Spot
from lsp_server.languages.language import Body
from lsp_server.syntax.path import children, last_child

if TYPE_CHECKING:
    from tree_sitter import Node

# A function without a name of its own is called by what it is given to.
_NAMING_PARENTS = {
    "variable_declarator": "name",
    "public_field_definition": "name",
    "field_definition": "property",
    "pair": "key",
    "assignment_expression": "left",
}
LONGEST_NAME = 40
# A comment or a cursor that is farther below a function does not belong to it.
LINES_BELOW = 100
LONGEST_NAMING = 400  # in bytes, with what white space there is
MEANT_TO_BE_EMPTY = re.compile(r"@\s*(?:\w+\.)*(?:overload|abstractmethod)\b")


def functions_around(spot: Spot) -> Iterator[Node]:
    """From the innermost on."""
    kinds = spot.record.functions
    seen: set[int] = set()
    for node in spot.nodes():
        if node.type in kinds and node.id not in seen and _is_near(spot, node):
            seen.add(node.id)
            yield node


def name_of(spot: Spot, node: Node) -> str | None:
    """How people call it; None for what has no name."""
    named = node.child_by_field_name("name") or _declared(node)
    if named is None and node.type == "type_declaration":
        named = next((_field(each, "name") for each in children(node, named=True)), None)
    parent = spot.parent(node) if named is None else None
    if parent is not None:
        field = _NAMING_PARENTS.get(parent.type)
        named = parent.child_by_field_name(field) if field else _lua_target(spot, node)
    if named is None or named.end_byte - named.start_byte > LONGEST_NAMING:
        return None
    name = " ".join(spot.text_of(named).split())
    return name if 0 < len(name) <= LONGEST_NAME else None


def quoted_name(spot: Spot, node: Node | None, otherwise: str) -> str:
    name = name_of(spot, node) if node is not None else None
    return f"`{name}`" if name else otherwise


def interior(spot: Spot, function: Node) -> tuple[int, int] | None:
    """The offsets between which the body's statements stand, or would; None without a body."""
    match spot.record.body:
        case Body.COLON:
            return _after_colon(spot, function)
        case Body.END:
            return _before_end(spot, function)
    body = function.child_by_field_name("body")
    if body is None:
        return None
    start, end = spot.start_of(body), spot.end_of(body)
    text = spot.document.text
    if end - start < 2 or text[start] != "{" or text[end - 1] != "}":
        return None
    return start + 1, end - 1


def is_meant_to_be_empty(spot: Spot, function: Node) -> bool:
    """Overloads, abstract methods and stubs have no body on purpose."""
    if spot.record.body is not Body.COLON:
        return False
    if spot.document.uri.endswith(".pyi"):
        return True
    around = spot.parent(function)
    return (
        around is not None
        and around.type == "decorated_definition"
        and any(
            MEANT_TO_BE_EMPTY.match(spot.text_of(child))
            for child in children(around)
            if child.type == "decorator"
        )
    )


def docstring_of(node: Node) -> Node | None:
    """The string that a Python body begins with."""
    body = node.child_by_field_name("body")
    first = (
        next((each for each in children(body, named=True) if each.type != "comment"), None)
        if (body is not None)
        else None
    )
    if first is None or first.type != "expression_statement" or first.named_child_count != 1:
        return None
    string = first.named_child(0)
    is_string = string is not None and string.type in ("string", "concatenated_string")
    return string if is_string else None


def header_end(spot: Spot, node: Node) -> int:
    """Where the head of a definition ends and its body begins."""
    if spot.record.body is Body.COLON:
        inside = _after_colon(spot, node)
        return inside[0] if inside else spot.end_of(node)
    inside = interior(spot, node) if node.type in spot.record.functions else None
    if inside is not None:
        return inside[0]
    body = node.child_by_field_name("body")
    return spot.start_of(body) if body is not None else spot.line_end(spot.start_of(node))


def _is_near(spot: Spot, node: Node) -> bool:
    """A function that has ended above the cursor is near if its body may go on down to it."""
    start, end = spot.start_of(node), spot.end_of(node)
    if start <= spot.start and spot.end <= spot.line_end(end):
        return spot.end <= end or not spot.document.text[end : spot.end].strip(" \t;")
    inside = interior(spot, node) if spot.record.body is Body.COLON else None
    return inside is not None and inside[0] <= spot.start and spot.end <= inside[1]


def _after_colon(spot: Spot, node: Node) -> tuple[int, int] | None:
    """Also comments and one blank line that the parser gives to nobody: Python has no closer."""
    colons = [child for child in children(node) if child.type == ":" and not child.is_missing]
    if not colons:
        return None
    start = end = spot.end_of(colons[-1])
    body = node.child_by_field_name("body")
    if body is not None and body.child_count:
        end = max(end, spot.end_of(body))
    text, document = spot.document.text, spot.document
    outer = len(spot.indent_at(spot.start_of(node)))
    below = document.line_at(end) + 1
    for number in range(below, min(below + LINES_BELOW, len(document.line_starts))):
        first, last = document.line_bounds(number)
        line = text[first:last]
        bare = line.lstrip(" \t")
        if bare.startswith("#") and len(line) - len(bare) > outer:
            end = last
        elif bare or not (first <= spot.start <= last and line):
            if bare:
                break
        else:
            end = last  # the blank line of the cursor
    return start, end


def _before_end(spot: Spot, node: Node) -> tuple[int, int] | None:
    last = last_child(node)
    if last is None or last.type != "end" or last.is_missing:
        return None
    head = node.child_by_field_name("parameters") or node.child_by_field_name("name")
    if head is None:
        return None
    start, end = spot.end_of(head), spot.start_of(last)
    if spot.document.text.startswith(";", start):
        start += 1
    return start, end


def _declared(node: Node) -> Node | None:
    """C and C++: the name is at the bottom of the declarators."""
    declarator = node.child_by_field_name("declarator")
    while declarator is not None:
        below = declarator.child_by_field_name("declarator")
        if below is None and declarator.type == "reference_declarator":
            count = declarator.named_child_count
            below = declarator.named_child(count - 1) if count else None
        if below is None:
            return declarator
        declarator = below
    return None


def _lua_target(spot: Spot, node: Node) -> Node | None:
    """`M.f = function() ... end`"""
    for above in islice(spot.upwards(node), 1, None):
        if above.type == "assignment_statement":
            return above.named_child(0)
        if above.type not in ("expression_list", "field"):
            return None
        if above.type == "field":
            return above.child_by_field_name("name")
    return None


def _field(node: Node, name: str) -> Node | None:
    return node.child_by_field_name(name)
