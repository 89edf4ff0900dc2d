"""What each code action has in mind for a spot."""

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

# Quick and without a model: asked on every move of the cursor. None: the action does not apply.
PLANS: dict[str, Callable[[Spot], Plan | None]] = {
    "fill_holes": fill_holes.plan,
    "fill_body": fill_body.plan,
    "do_todo": do_todo.plan,
    "write_docstring": write_docstring.plan,
    "rewrite_selection": rewrite_selection.plan,
    "fill_gap": fill_gap.plan,
}
