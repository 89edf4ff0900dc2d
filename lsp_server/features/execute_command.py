"""workspace/executeCommand: the code actions for clients that cannot resolve, and for keys.

An action's command takes one argument: what the action carries as its data, or, bound to a key,
{uri, start: [line, character], end: [line, character]}. It ends in workspace/applyEdit.
"""

from __future__ import annotations

from typing import Any

from lsprotocol import types as t

from lsp_server.capabilities import ACTIONS, PAUSE, RESUME
from lsp_server.features.code_action import edit_of, filled, plan_of, range_of
from lsp_server.protocol import failed
from lsp_server.session import Session

ACTION_OF = {action.command: name for name, action in ACTIONS.items()}


async def answer(session: Session, params: t.ExecuteCommandParams) -> Any:
    if params.command in (PAUSE, RESUME):
        session.link.pause(params.command == PAUSE)
        return None
    if params.command not in ACTION_OF:
        raise failed(f"there is no command {params.command}", t.ErrorCodes.InvalidParams)
    if session.link.paused:
        raise failed("infill is paused: run the command infill.resume first")
    name = ACTION_OF[params.command]
    try:
        data: Any
        (data,) = params.arguments or ()
        uri, version, range = data["uri"], data.get("version"), range_of(data)
        if not isinstance(uri, str):
            raise TypeError("a uri is a string")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise failed(
            f"{params.command} needs one argument with uri, start and end",
            t.ErrorCodes.InvalidParams,
        ) from error
    document = session.documents.get(uri)
    if document is None:
        raise failed(session.documents.why_absent(uri), t.LSPErrorCodes.ContentModified)
    if version not in (None, document.version):
        raise failed(
            "the document has changed since the action was offered; ask for it again",
            t.LSPErrorCodes.ContentModified,
        )
    plan = await plan_of(session, name, document, range)
    placed = await filled(session, plan, params.work_done_token)
    if not placed:
        return None
    edit = t.ApplyWorkspaceEditParams(edit_of(session, placed), label=plan.title)
    applied = await session.server.workspace_apply_edit_async(edit)
    if not applied.applied:
        reason = applied.failure_reason or "it gave no reason"
        raise failed(f"the editor did not apply the edit: {reason}")
    return None
