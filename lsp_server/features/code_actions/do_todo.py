"""Do this TODO: the comment goes, and the code it asks for comes."""

from __future__ import annotations

from lsp_server.holes.functions import FUNCTIONS
from lsp_server.holes.hole import Plan
from lsp_server.holes.placeholders import holes_between, todo_text
from lsp_server.holes.spot import Spot

KIND = "refactor.rewrite.infill.todo"
COMMAND = "infill.doTodo"

LINES_AROUND = 20
LONGEST_TITLE = 50


def plan(spot: Spot) -> Plan | None:
    if spot.language not in FUNCTIONS:
        return None
    document = spot.document
    first = document.line_starts[max(0, spot.line - LINES_AROUND)]
    last = min(spot.line + LINES_AROUND, len(document.line_starts) - 1)
    for hole in holes_between(spot, first, document.line_bounds(last)[1]):
        here = spot.line_start(hole.start) <= spot.start and spot.end <= spot.line_end(hole.end)
        if hole.lead and here:
            wish = todo_text(hole.lead)
            if len(wish) > LONGEST_TITLE:
                wish = wish[: LONGEST_TITLE - 1].rstrip() + "…"
            return Plan(f"Do this TODO: {wish}" if wish else "Do this TODO", document, (hole,))
    return None
