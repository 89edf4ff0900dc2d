"""Fill all holes in this function together, in one canvas, where each sees the others."""

from __future__ import annotations

from lsp_server.holes.body import missing_body
from lsp_server.holes.functions import functions_around, quoted_name
from lsp_server.holes.hole import Plan
from lsp_server.holes.placeholders import Item, holes_of, items_between
from lsp_server.holes.spot import Spot


def plan(spot: Spot) -> Plan | None:
    """The innermost function with several holes, or else with one that is not all of its body."""
    single: Plan | None = None
    items: list[Item] = []
    inner: tuple[int, int] | None = None
    for function in functions_around(spot):
        outer = spot.start_of(function), spot.end_of(function)
        if (
            inner is not None and outer[0] <= inner[0] and inner[1] <= outer[1]
        ):  # no text is read twice
            before, after = (outer[0], inner[0]), (inner[1], outer[1])
            items = [*items_between(spot, *before), *items, *items_between(spot, *after)]
        else:
            items = items_between(spot, *outer)
        inner = outer
        holes = tuple(holes_of(spot, items))
        name = quoted_name(spot, function, "this function")
        if len(holes) > 1:
            return Plan(f"Fill the {len(holes)} holes in {name}", spot.document, holes)
        if holes and single is None and missing_body(spot, function) is None:
            single = Plan(f"Fill the hole in {name}", spot.document, holes)
    return single
