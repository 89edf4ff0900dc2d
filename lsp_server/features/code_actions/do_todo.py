"""Do this TODO: the comment goes, and the code it asks for comes; at the end of a line, in place of
the statement there."""

from __future__ import annotations

from lsp_server.holes.hole import Hole, Plan
from lsp_server.holes.placeholders import holes_between, todo_text
from lsp_server.holes.spot import Spot
from lsp_server.holes.statement import statement_to_do

LINES_AROUND = 20
LONGEST_TITLE = 50


def plan(spot: Spot) -> Plan | None:
    if not spot.record.functions:
        return None
    document = spot.document
    first = document.line_starts[max(0, spot.line - LINES_AROUND)]
    last = min(spot.line + LINES_AROUND, len(document.line_starts) - 1)
    for hole in holes_between(spot, first, document.line_bounds(last)[1]):
        here = spot.line_start(hole.start) <= spot.start and spot.end <= spot.line_end(hole.end)
        if hole.lead and here:
            return _plan(spot, hole)
    statement = statement_to_do(spot) if spot.end <= spot.line_end(spot.start) else None
    return _plan(spot, statement) if statement is not None else None


def _plan(spot: Spot, hole: Hole) -> Plan:
    wish = todo_text(hole.lead)
    if len(wish) > LONGEST_TITLE:
        wish = wish[: LONGEST_TITLE - 1].rstrip() + "…"
    title = f"Do this TODO: {wish}" if wish else "Do this TODO"
    return Plan(title, spot.document, (hole,))
