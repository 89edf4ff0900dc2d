"""What the server says in its answer to `initialize` that it can do.

An editor waits for that answer, so nothing is imported here that does any of it: `answers` does,
right after.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lsprotocol import types as t


class Action(NamedTuple):
    """What clients know a code action by: `command` where it is bound to a key, or cannot be
    resolved."""

    kind: str
    command: str


# The names are those of the files in features/code_actions.
ACTIONS = {
    "fill_holes": Action("refactor.rewrite.infill.holes", "infill.fillHoles"),
    "fill_body": Action("refactor.rewrite.infill.body", "infill.fillBody"),
    "do_todo": Action("refactor.rewrite.infill.todo", "infill.doTodo"),
    "write_docstring": Action("refactor.rewrite.infill.docstring", "infill.writeDocstring"),
    "rewrite_selection": Action("refactor.rewrite.infill.selection", "infill.rewriteSelection"),
    "fill_gap": Action("refactor.rewrite.infill.gap", "infill.fillGap"),
}
FILL = "infill/fill"
PAUSE, RESUME = "infill.pause", "infill.resume"

COMMANDS = (*(action.command for action in ACTIONS.values()), PAUSE, RESUME)
NOTEBOOKS = t.NotebookDocumentSyncOptions(
    notebook_selector=[t.NotebookDocumentFilterWithNotebook(notebook="*")]
)
# The options of each request that we answer; commands, which have none, are beside them.
REQUESTS: dict[str, Any] = {
    t.TEXT_DOCUMENT_INLINE_COMPLETION: t.InlineCompletionOptions(),
    t.TEXT_DOCUMENT_COMPLETION: t.CompletionOptions(resolve_provider=True),
    t.COMPLETION_ITEM_RESOLVE: None,
    t.TEXT_DOCUMENT_CODE_ACTION: t.CodeActionOptions(
        code_action_kinds=[action.kind for action in ACTIONS.values()], resolve_provider=True
    ),
    t.CODE_ACTION_RESOLVE: None,
    FILL: None,
}
