"""textDocument/codeAction and its resolve. Each action is a file of code_actions/.

The list needs no model. The edit is made in resolve, with progress that can be stopped, and holds
for the version the document has then.
"""

from __future__ import annotations

import asyncio
from typing import Any

from lsprotocol import types as t
from pygls.exceptions import JsonRpcRequestCancelled

from engine.api import EngineError
from lsp_server.anchor import Placed, place
from lsp_server.document import Document
from lsp_server.features.code_actions import ACTIONS, Action
from lsp_server.gap import Gap
from lsp_server.progress import FillProgress
from lsp_server.protocol import failed
from lsp_server.session import Session
from lsp_server.suggest.clean import clean

OPTIONS = t.CodeActionOptions(
    code_action_kinds=[action.KIND for action in ACTIONS.values()], resolve_provider=True
)


async def answer(
    session: Session, document: Document, params: t.CodeActionParams
) -> list[t.CodeAction] | None:
    start, end = document.offsets(params.range)
    offered = [
        _offer(name, action, document, params.range)
        for name, action in ACTIONS.items()
        if _is_wanted(action.KIND, params.context.only) and action.applies(document, start, end)
    ]
    return offered or None


async def resolve(session: Session, action: t.CodeAction) -> t.CodeAction:
    """Raises RequestFailed or ContentModified with words for the user, who has asked by hand."""
    chosen, document, range = _read_data(session, action.data)
    start, end = document.offsets(range)
    gap = chosen.gap(document, start, end, await session.parsing.tree(document))
    placed = await _filled(session, action.title, gap)
    if placed is not None:
        action.edit = _edit(session, placed)
    return action


async def _filled(session: Session, title: str, gap: Gap) -> Placed | None:
    task = asyncio.current_task()
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        if task is not None:
            task.cancel()

    try:
        async with FillProgress(
            session.server, title, may_create=session.support.progress, on_cancel=stop
        ) as progress:
            fill = await session.fill(gap, progress.on_draft)
    except asyncio.CancelledError:
        if stopped:
            raise JsonRpcRequestCancelled("stopped by the user") from None
        raise
    except EngineError as error:
        raise failed(str(error)) from error
    text = clean(fill.texts[0], gap)
    if not text or text == gap.replaced:
        session.tell("the model has nothing to put here")
        return None
    placed = place(text, gap, session.documents.get(gap.document.uri))
    if placed is None:
        raise failed(
            "the text at the gap has changed meanwhile, so nothing was inserted; try again",
            t.LSPErrorCodes.ContentModified,
        )
    return placed


def _offer(name: str, action: Action, document: Document, range: t.Range) -> t.CodeAction:
    data = {
        "action": name,
        "uri": document.uri,
        "version": document.version,
        "start": [range.start.line, range.start.character],
        "end": [range.end.line, range.end.character],
    }
    return t.CodeAction(title=action.TITLE, kind=action.KIND, data=data)


def _read_data(session: Session, data: Any) -> tuple[Action, Document, t.Range]:
    """What `_offer` wrote, come back from the client."""
    try:
        chosen, version = ACTIONS[data["action"]], data["version"]
        range = t.Range(t.Position(*map(int, data["start"])), t.Position(*map(int, data["end"])))
        document = session.documents.get(data["uri"])
    except (KeyError, TypeError, ValueError) as error:
        raise failed(f"this action is not one of ours: {error}") from error
    if document is None or document.version != version:
        raise failed(
            "the document has changed since the action was offered; ask for it again",
            t.LSPErrorCodes.ContentModified,
        )
    return chosen, document, range


def _edit(session: Session, placed: Placed) -> t.WorkspaceEdit:
    document = placed.document
    edit = t.TextEdit(document.range(placed.start, placed.end), placed.text)
    if not session.support.versioned_edits:
        return t.WorkspaceEdit(changes={document.uri: [edit]})
    identifier = t.OptionalVersionedTextDocumentIdentifier(document.uri, document.version)
    return t.WorkspaceEdit(document_changes=[t.TextDocumentEdit(identifier, [edit])])


def _is_wanted(kind: str, only: Any) -> bool:
    """A client asks for kinds by their beginnings: `refactor` is every kind of refactoring."""
    return only is None or any(f"{kind}.".startswith(f"{_text(each)}.") for each in only)


def _text(kind: str | t.CodeActionKind) -> str:
    return kind.value if isinstance(kind, t.CodeActionKind) else kind
