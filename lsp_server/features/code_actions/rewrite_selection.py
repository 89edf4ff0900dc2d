"""Rewrite the selection: what is selected goes, and something else that fits there comes."""

from __future__ import annotations

from engine.api import Shape
from lsp_server.holes.functions import functions_around, quoted_name
from lsp_server.holes.hole import Hole, Plan
from lsp_server.holes.spot import Spot


def plan(spot: Spot) -> Plan | None:
    """White space at the selection's ends stays, so that whole lines can be selected."""
    selected = spot.document.text[spot.start : spot.end]
    start = spot.start + len(selected) - len(selected.lstrip())
    end = spot.end - (len(selected) - len(selected.rstrip()))
    if start >= end:
        return None
    document = spot.document
    is_block = document.line_at(end) > document.line_at(start)
    indent = spot.indent_at(start) if is_block and spot.begins_line(start) else ""
    hole = Hole(start, end, Shape.BLOCK if is_block else Shape.LINE, indent=indent)
    function = next(functions_around(spot), None)
    where = f" in {quoted_name(spot, function, 'this function')}" if function is not None else ""
    return Plan(f"Rewrite the selection{where}", document, (hole,))
