"""The statement of one line, where a TODO at the line's end is about it."""

from __future__ import annotations

import re
from dataclasses import replace

from engine.api import Shape
from engine.fill.brackets import unmatched_closer
from lsp_server.holes.hole import Hole
from lsp_server.holes.placeholders import items_between, lead_of
from lsp_server.holes.spot import Spot
from lsp_server.holes.wanted import Wanted

# A line that goes on below is no statement.
_OPENS = re.compile(r"(?:[:{(\[,\\]|\b(?:then|do|else|begin))$")
_TARGET = re.compile(r"return\s+|[^=(){}\"'`]+?(?:[-+*/%|&:]|\*\*|//|\?\?)?=(?![=>])\s*")


def statement_to_do(spot: Spot) -> Hole | None:
    """That of the cursor's line. What it assigns to stays; the model reads the TODO above."""
    first, last = spot.document.line_bounds(spot.line)
    todos = [item for item in items_between(spot, first, last) if item.kind == "todo"]
    if not todos or not spot.ends_line(todos[-1].end) or spot.begins_line(todos[-1].start):
        return None
    todo, indent = todos[-1], spot.indent_at(first)
    code = spot.document.text[first + len(indent) : todo.start].rstrip()
    if _OPENS.search(code) or unmatched_closer(code, spot.language) is not None:
        return None
    target = _TARGET.match(code)
    kept = target.group() if target is not None else ""
    lead = lead_of([todo], indent)
    at = first + len(indent)
    hole = Hole(at, todo.end, Shape.LINE, kept, lead=lead, indent=indent)
    return replace(hole, wanted=Wanted.CODE)
