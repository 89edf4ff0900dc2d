"""One file per code action: the plan it has for a spot, or none. Here are their names."""

from __future__ import annotations

from typing import NamedTuple


class Action(NamedTuple):
    """What clients know it by: `command` where it is bound to a key, or cannot be resolved."""

    kind: str
    command: str


ACTIONS = {
    "fill_holes": Action("refactor.rewrite.infill.holes", "infill.fillHoles"),
    "fill_body": Action("refactor.rewrite.infill.body", "infill.fillBody"),
    "do_todo": Action("refactor.rewrite.infill.todo", "infill.doTodo"),
    "write_docstring": Action("refactor.rewrite.infill.docstring", "infill.writeDocstring"),
    "rewrite_selection": Action("refactor.rewrite.infill.selection", "infill.rewriteSelection"),
    "fill_gap": Action("refactor.rewrite.infill.gap", "infill.fillGap"),
}
