"""Fill the gap at the cursor: whatever is missing right here."""

from __future__ import annotations

import re

from engine.api import Shape
from lsp_server.gap import cut
from lsp_server.holes.functions import functions_around, quoted_name
from lsp_server.holes.hole import Hole, Plan
from lsp_server.holes.spot import Spot

# Something has to follow. A name alone does not say so.
_WANTS_MORE = re.compile(
    r"([=(\[{,:.+\-*/%<>&|^!?]|\b(return|yield|await|in|not|and|or|if))[ \t]*$"
)
_MAY_STAND_AFTER = re.compile(r"[ \t]*([)\]}>;,]|$)")


def plan(spot: Spot) -> Plan | None:
    """Asked by hand: anywhere but inside a word. Automatically: where the syntax is open."""
    if spot.start != spot.end or _is_inside_word(spot):
        return None
    if spot.automatic and not _is_open(spot):
        return None
    gap = cut(spot.document, spot.start, tree=spot.tree)
    indent = gap.indent if gap.shape is Shape.BLOCK else ""
    function = next(functions_around(spot), None)
    where = f" in {quoted_name(spot, function, 'this function')}" if function is not None else ""
    hole = Hole(gap.start, gap.end, gap.shape, indent=indent)
    return Plan(f"Fill the gap at the cursor{where}", spot.document, (hole,))


def _is_inside_word(spot: Spot) -> bool:
    around = spot.document.text[max(0, spot.start - 1) : spot.start + 1]
    return len(around) == 2 and all(each.isalnum() or each == "_" for each in around)


def _is_open(spot: Spot) -> bool:
    """A blank line, or an end of code that wants more, outside of comments and strings."""
    document = spot.document
    end = spot.line_end(spot.start)
    if spot.begins_line(spot.start):
        return spot.ends_line(spot.start)
    after = _MAY_STAND_AFTER.match(document.text, spot.start, end)
    if after is None or not _WANTS_MORE.search(spot.before(spot.start)):
        return False
    return not any(
        kind in node.type
        for node in spot.notable(spot.node_before())
        for kind in ("string", "comment")
    )
