"""What the server says in its answer to `initialize` that it can do.

An editor waits for that answer, so nothing is imported here that does any of it: `answers` does,
right after.
"""

from __future__ import annotations

from typing import Any

from lsprotocol import types as t

from lsp_server.features.code_actions import ACTIONS

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
