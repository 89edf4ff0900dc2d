"""Fill all holes in this function together, in one canvas, where each sees the others."""

from __future__ import annotations

from lsp_server.holes.body import missing_body
from lsp_server.holes.functions import functions_around, quoted_name
from lsp_server.holes.hole import Plan
from lsp_server.holes.placeholders import holes_between
from lsp_server.holes.spot import Spot

KIND = "refactor.rewrite.infill.holes"
COMMAND = "infill.fillHoles"


def plan(spot: Spot) -> Plan | None:
    """The innermost function with several holes, or else with one that is not all of its body."""
    single: Plan | None = None
    for function in functions_around(spot):
        holes = tuple(holes_between(spot, spot.start_of(function), spot.end_of(function)))
        name = quoted_name(spot, function, "this function")
        if len(holes) > 1:
            return Plan(f"Fill the {len(holes)} holes in {name}", spot.document, holes)
        if holes and single is None and missing_body(spot, function) is None:
            single = Plan(f"Fill the hole in {name}", spot.document, holes)
    return single
