"""Fill this body: the innermost function around the cursor has none yet; or write anew one that is
there, asked by hand on the head of its function."""

from __future__ import annotations

from lsp_server.holes.body import missing_body, whole_body
from lsp_server.holes.functions import functions_around, header_end, quoted_name
from lsp_server.holes.hole import Plan
from lsp_server.holes.spot import Spot


def plan(spot: Spot) -> Plan | None:
    function = next(functions_around(spot), None)
    if function is None:
        return None
    name = quoted_name(spot, function, "this function")
    hole = missing_body(spot, function)
    if hole is not None:
        return Plan(f"Fill the body of {name}", spot.document, (hole,))
    is_head = spot.start == spot.end and spot.end <= header_end(spot, function)
    hole = whole_body(spot, function) if is_head and not spot.automatic else None
    return Plan(f"Write the body of {name} anew", spot.document, (hole,)) if hole else None
