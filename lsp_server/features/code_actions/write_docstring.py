"""Write the docstring of the function or type whose head the cursor is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.api import Shape
from lsp_server.holes.functions import (
    FUNCTIONS,
    TYPES,
    docstring_of,
    header_end,
    interior,
    name_of,
)
from lsp_server.holes.hole import Hole, Plan
from lsp_server.holes.spot import Spot, upwards

if TYPE_CHECKING:
    from tree_sitter import Node

KIND = "refactor.rewrite.infill.docstring"
COMMAND = "infill.writeDocstring"

# What stands before and after the text; where there is no entry, `/** */`.
_MARKS = {
    "rust": ("/// ", ""),
    "go": ("// {name} ", ""),
    "lua": ("--- ", ""),
    "ruby": ("# ", ""),
    "shellscript": ("# ", ""),
    "bash": ("# ", ""),
    "sh": ("# ", ""),
}
_COMMENTS = ("//", "/*", "*", "#", "--")
_BETWEEN = ("@", "#[", "[[")
_WRAPPERS = {
    "export_statement",
    "decorated_definition",
    "template_declaration",
    "lexical_declaration",
    "variable_declaration",
    "variable_declarator",
    "assignment_statement",
    "expression_list",
    "expression_statement",
    "assignment_expression",
    "pair",
    "public_field_definition",
    "field_definition",
    "field",
    "type_definition",
}


def plan(spot: Spot) -> Plan | None:
    kinds = FUNCTIONS.get(spot.language, set()) | TYPES.get(spot.language, set())
    for node in spot.nodes():
        if node.type not in kinds or not _is_in_header(spot, node):
            continue
        name = name_of(spot, node)
        hole = None
        if name is not None:
            python = spot.language == "python"
            hole = _inside(spot, node) if python else _above(spot, node, name)
        return Plan(f"Write the docstring of `{name}`", spot.document, (hole,)) if hole else None
    return None


def _is_in_header(spot: Spot, node: Node) -> bool:
    start, end = spot.start_of(_outermost(node)), header_end(spot, node)
    return spot.line_start(start) <= spot.start and spot.end <= spot.line_end(end)


def _inside(spot: Spot, node: Node) -> Hole | None:
    """Python: the first line of the body, or between the quotes of a docstring that is empty."""
    docstring = docstring_of(node)
    text, indent = spot.document.text, spot.indent_at(spot.start_of(node))
    if docstring is not None:
        start, end = spot.start_of(docstring), spot.end_of(docstring)
        quotes = text[start : start + 3]
        blank = quotes in ('"""', "'''") and not text[start + 3 : end - 3].strip()
        if not blank or end - start < 6:
            return None
        return Hole(start + 3, end - 3, Shape.LINE, stops=(quotes,))
    inside = interior(spot, node)
    if inside is None:
        return None
    body = node.child_by_field_name("body")
    if body is not None and body.child_count:
        first = spot.start_of(body)
        if not spot.begins_line(first):
            return None  # def f(): return 1
        inner = spot.indent_at(first)
    else:
        inner = indent + spot.unit()
    at = spot.line_end(inside[0])
    return Hole(at, at, Shape.LINE, f'\n{inner}"""', '"""', stops=('"""',))


def _above(spot: Spot, node: Node, name: str) -> Hole | None:
    start = spot.start_of(_outermost(node))
    if not spot.begins_line(start) or _is_documented(spot, start):
        return None
    at, indent = spot.line_start(start), spot.indent_at(start)
    opening, closing = _MARKS.get(spot.language, ("/** ", " */"))
    stops = (closing.strip(),) if closing else ()
    before = indent + opening.format(name=name)
    return Hole(at, at, Shape.LINE, before, f"{closing}\n", stops=stops)


def _outermost(node: Node) -> Node:
    """What is written in front of a definition belongs to it: `export`, `const f =`, a template."""
    outermost = node
    for above in upwards(node.parent):
        if above.type not in _WRAPPERS:
            break
        outermost = above
    return outermost


def _is_documented(spot: Spot, start: int) -> bool:
    document = spot.document
    for number in range(document.line_at(start) - 1, -1, -1):
        line = document.line_text(number).strip()
        if line.startswith(_BETWEEN):
            continue
        return line.startswith(_COMMENTS) or line.endswith("*/")
    return False
