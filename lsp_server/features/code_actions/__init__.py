"""One file per code action: its kind, and the plan it has for a spot, or none."""

from __future__ import annotations

from typing import Protocol

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


class Action(Protocol):
    """What a module of this folder is."""

    @property
    def KIND(self) -> str: ...  # noqa: N802

    @property
    def COMMAND(self) -> str: ...  # noqa: N802

    def plan(self, spot: Spot) -> Plan | None:
        """Quick and without a model: asked on every move of the cursor. None: does not apply."""
        ...


ACTIONS: dict[str, Action] = {
    "fill_holes": fill_holes,
    "fill_body": fill_body,
    "do_todo": do_todo,
    "write_docstring": write_docstring,
    "rewrite_selection": rewrite_selection,
    "fill_gap": fill_gap,
}
