"""Write the docstring of the function or type whose head the cursor is in."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from engine.api import Shape
from lsp_server.holes.documentation import Layout, layout_of
from lsp_server.holes.functions import docstring_of, header_end, interior, name_of
from lsp_server.holes.hole import Hole, Plan
from lsp_server.holes.literal import QUOTES
from lsp_server.holes.signature import Signature, signature_of
from lsp_server.holes.spot import Spot
from lsp_server.holes.wanted import Wanted
from lsp_server.syntax.blocks import indent_of

if TYPE_CHECKING:
    from tree_sitter import Node

# Characters of the file that tell its style.
SAMPLE = 50_000
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
    kinds = spot.record.functions | spot.record.types
    for node in spot.nodes():
        if node.type not in kinds or not _is_in_header(spot, node):
            continue
        name = name_of(spot, node)
        hole = None
        if name is not None:
            inside = spot.record.has_docstrings
            hole = _inside(spot, node) if inside else _above(spot, node, name)
        if hole is None:
            return None
        holes = _with_sections(spot, node, replace(hole, wanted=Wanted.SUMMARY))
        title = f"Write the docstring of `{name}`"
        several = len(holes) > 1
        return Plan(title, spot.document, holes, is_one_text=several, is_documentation=True)
    return None


def _with_sections(spot: Spot, node: Node, summary: Hole) -> tuple[Hole, ...]:
    """`summary`, and a hole for each thing that the file's style says something about."""
    signature = signature_of(spot, node)
    layout = (
        layout_of(spot.language, spot.document.text[:SAMPLE]) if signature != Signature() else None
    )
    if layout is None:
        return (summary,)
    # Python's stands a level deeper than its function, the others' right above.
    _, deeper, opening = summary.before.rpartition("\n")
    line = spot.document.line_text(spot.document.line_at(summary.start))
    indent = indent_of(opening if deeper else line)
    between = layout.between(signature, indent, spot.unit())
    if not between:
        return (summary,)
    at = summary.end
    others = [Hole(at, at, Shape.LINE, each, stops=summary.stops) for each in between]
    others[-1] = replace(others[-1], after=_end_of_several(summary, layout, indent))
    before = summary.before
    if before.endswith("/** "):
        before = f"{before.rstrip()}\n{indent}{layout.margin}"
    return (replace(summary, before=before, after=""), *others)


def _end_of_several(summary: Hole, layout: Layout, indent: str) -> str:
    """What ends a comment of several lines where `summary.after` would end one of a single line."""
    if not layout.end:
        return summary.after
    end = layout.end.format(indent=indent)
    if summary.after in QUOTES:
        return end.replace(QUOTES[0], summary.after)
    return end + "\n" if summary.after.endswith("\n") else end


def _is_in_header(spot: Spot, node: Node) -> bool:
    start, end = spot.start_of(_outermost(spot, node)), header_end(spot, node)
    return spot.line_start(start) <= spot.start and spot.end <= spot.line_end(end)


def _inside(spot: Spot, node: Node) -> Hole | None:
    """Python: the first line of the body, or between the quotes of a docstring that is empty."""
    docstring = docstring_of(node)
    text, indent = spot.document.text, spot.indent_at(spot.start_of(node))
    if docstring is not None:
        start, end = spot.start_of(docstring), spot.end_of(docstring)
        quotes = text[start : start + 3]
        blank = quotes in QUOTES and not text[start + 3 : end - 3].strip()
        if not blank or end - start < 6:
            return None
        return Hole(start, end, Shape.LINE, quotes, quotes, stops=(quotes,))
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
    start = spot.start_of(_outermost(spot, node))
    if not spot.begins_line(start) or _is_documented(spot, start):
        return None
    at, indent = spot.line_start(start), spot.indent_at(start)
    opening, closing = spot.record.documentation.opening, spot.record.documentation.closing
    stops = (closing.strip(),) if closing else ()
    before = indent + opening.format(name=name)
    return Hole(at, at, Shape.LINE, before, f"{closing}\n", stops=stops)


def _outermost(spot: Spot, node: Node) -> Node:
    """What is written in front of a definition belongs to it: `export`, `const f =`, a template."""
    outermost = node
    for above in islice(spot.upwards(node), 1, None):
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
