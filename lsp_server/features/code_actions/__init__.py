"""One file per code action: the plan it has for a spot, or none."""

from __future__ import annotations

from collections.abc import Callable

from lsp_server.features.code_actions import (
    do_todo,
    fill_body,
    fill_gap,
    fill_holes,
    rewrite_selection,
    write_docstring,
)
from lsp_server.holes.hole import Plan
from lsp_server.holes.spot import Spot

# By their names in lsp_server.capabilities. Quick and without a model: each is asked on every move
# of the cursor; None where the action does not apply.
PLANS: dict[str, Callable[[Spot], Plan | None]] = {
    "fill_holes": fill_holes.plan,
    "fill_body": fill_body.plan,
    "do_todo": do_todo.plan,
    "write_docstring": write_docstring.plan,
    "rewrite_selection": rewrite_selection.plan,
    "fill_gap": fill_gap.plan,
}
