"""Fill this body: the innermost function around the cursor has none yet."""

from __future__ import annotations

from lsp_server.holes.body import missing_body
from lsp_server.holes.functions import functions_around, quoted_name
from lsp_server.holes.hole import Plan
from lsp_server.holes.spot import Spot


def plan(spot: Spot) -> Plan | None:
    function = next(functions_around(spot), None)
    if function is None:
        return None
    hole = missing_body(spot, function)
    if hole is None:
        return None
    name = quoted_name(spot, function, "this function")
    return Plan(f"Fill the body of {name}", spot.document, (hole,))
