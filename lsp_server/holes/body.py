"""A function's body that is not there yet."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.api import Shape
from lsp_server.holes.functions import docstring_of, interior, is_meant_to_be_empty
from lsp_server.holes.hole import Hole
from lsp_server.holes.placeholders import Item, items_only, lead_of
from lsp_server.holes.spot import Spot
from lsp_server.holes.wanted import Wanted
from lsp_server.languages.language import Body

if TYPE_CHECKING:
    from tree_sitter import Node

_SPACE = " \t\r\n\f"


def missing_body(spot: Spot, function: Node) -> Hole | None:
    """The hole for a body that is empty, a placeholder, or nothing but comments.

    Docstrings and comments that say no TODO stay, where the placeholder does not stand above them.
    """
    hole = _missing_body(spot, function)
    return None if hole is None else replace(hole, wanted=Wanted.CODE)


def whole_body(spot: Spot, function: Node) -> Hole | None:
    """The hole in place of a body that is there: all of it but the docstring. None where
    there is none to take the place of."""
    inside = interior(spot, function)
    if inside is None or is_meant_to_be_empty(spot, function):
        return None
    start, end = inside
    docstring = docstring_of(function) if spot.record.has_docstrings else None
    kept_to = spot.end_of(docstring) if docstring is not None else start
    text = spot.document.text[kept_to:end]
    first, last = kept_to + len(text) - len(text.lstrip(_SPACE)), kept_to + len(text.rstrip(_SPACE))
    if first >= last:
        return None
    outer = spot.indent_at(spot.start_of(function))
    is_below = spot.begins_line(first)
    inner = spot.indent_at(first) if is_below else outer + spot.unit()
    closer = "" if spot.record.body is Body.COLON else f"\n{outer}"
    before = "" if is_below else f"\n{inner}"
    after = ""
    if not is_below:
        first = kept_to
    if not spot.ends_line(last):
        last, after = end, closer
    return Hole(first, last, Shape.BLOCK, before, after, indent=inner, wanted=Wanted.CODE)


def _missing_body(spot: Spot, function: Node) -> Hole | None:
    inside = interior(spot, function)
    if inside is None or is_meant_to_be_empty(spot, function):
        return None
    start, end = inside
    docstring = docstring_of(function) if spot.record.has_docstrings else None
    kept_to = spot.end_of(docstring) if docstring is not None else start
    items = items_only(spot, kept_to, end)
    if items is None:
        return None
    outer = spot.indent_at(spot.start_of(function))
    inner = _inner_indent(spot, docstring, items, outer)
    while items and items[0].kind == "comment":
        kept_to = items.pop(0).end
    closer = "" if spot.record.body is Body.COLON else f"\n{outer}"
    if not items:
        return _where_nothing_is(spot, kept_to, end, inner, closer)
    first, last = items[0], items[-1]
    says_what_to_do = any(item.kind == "todo" for item in items)
    comments = [item for item in items if says_what_to_do and item.kind != "placeholder"]
    lead = lead_of(comments, inner)
    hole_start, before = first.start, ""
    if not spot.begins_line(first.start):
        hole_start, before = kept_to, f"\n{inner}"
        lead = f"{before}{lead}".rstrip() if lead else ""
    hole_end, after = last.end, ""
    text = spot.document.text
    if text.startswith(";", hole_end):
        hole_end += 1
    if not spot.ends_line(hole_end):
        hole_end, after = end, closer
    return Hole(hole_start, hole_end, Shape.BLOCK, before, after, lead, inner)


def _where_nothing_is(spot: Spot, start: int, end: int, inner: str, closer: str) -> Hole:
    text = spot.document.text
    if closer:
        return Hole(start, end, Shape.BLOCK, f"\n{inner}", closer, indent=inner)
    if end > start and not text[start:end].strip() and "\n" not in text[end : end + 1].strip("\n"):
        return Hole(start, end, Shape.BLOCK, f"\n{inner}", indent=inner)
    return Hole(start, start, Shape.BLOCK, f"\n{inner}", indent=inner)


def _inner_indent(spot: Spot, docstring: Node | None, items: list[Item], outer: str) -> str:
    starts = [spot.start_of(docstring)] if docstring is not None else []
    for start in [*starts, *(item.start for item in items)]:
        if spot.begins_line(start):
            return spot.indent_at(start)
    return outer + spot.unit()
