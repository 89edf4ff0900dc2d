"""textDocument/codeAction and its resolve. Each action is a file of code_actions/.

The list needs no model. The edit is made in resolve, with progress that can be stopped, and holds
for the version the document has then. A client that cannot resolve gets a command in its place.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from lsprotocol import types as t
from pygls.exceptions import JsonRpcRequestCancelled

from engine.api import Draft, EngineError, Fill
from lsp_server.anchor import Placed, place
from lsp_server.capabilities import ACTIONS, Action
from lsp_server.document import Document
from lsp_server.features.code_action_choices import Choices, choices_of, picked
from lsp_server.features.code_actions import PLANS
from lsp_server.holes.hole import Plan
from lsp_server.holes.spot import Spot
from lsp_server.notify.progress import FillProgress
from lsp_server.protocol import failed
from lsp_server.reading import position
from lsp_server.session import Session
from lsp_server.stats.counters import Kind
from lsp_server.syntax.tree import SyntaxTree

# How often the patience for a parse is renewed where the user has asked by hand.
PATIENCE = 8


async def answer(
    session: Session, document: Document, params: t.CodeActionParams
) -> list[t.CodeAction] | None:
    start, end = document.offsets(params.range)
    asked = {
        name: action
        for name, action in ACTIONS.items()
        if _is_wanted(action.kind, params.context.only)
    }
    if not asked or session.fills.withheld_because(document) is not None:
        return None
    automatic = params.context.trigger_kind == t.CodeActionTriggerKind.Automatic
    tree = await _tree(session, document, start, 1 if automatic else PATIENCE)
    spot = Spot(document, start, end, tree, automatic)
    offered = [
        _offer(session, name, action, plan, params.range)
        for name, action in asked.items()
        if (plan := PLANS[name](spot)) is not None
    ]
    return offered or None


async def resolve(session: Session, action: t.CodeAction) -> t.CodeAction:
    """Raises RequestFailed or ContentModified with words for the user, who has asked by hand."""
    plan = await _planned(session, action.data)
    placed = await filled(session, plan)
    if placed:
        action.edit = edit_of(session, placed)
    return action


async def plan_of(session: Session, name: str, document: Document, range: t.Range) -> Plan:
    """What action `name` does there; raises RequestFailed where it does not apply, or must not."""
    if (secret := session.fills.withheld_because(document)) is not None:
        raise failed(secret)
    start, end = document.offsets(range)
    spot = Spot(document, start, end, await _tree(session, document, start, PATIENCE))
    plan = PLANS[name](spot)
    if plan is None:
        raise failed(f"there is nothing here for {ACTIONS[name].command} to do")
    return plan


async def filled(
    session: Session, plan: Plan, token: t.ProgressToken | None = None
) -> list[Placed]:
    """What goes where, in the document as it is now; nothing if the model has nothing to say, or
    the user wants none of it."""
    started = time.perf_counter()
    choices = await _fill(session, plan, token)
    seconds = time.perf_counter() - started
    choice = await picked(session, plan, choices)
    if choice is None:
        return []
    placed: list[Placed] = []
    for hole, text in zip(plan.holes, choice.texts, strict=True):
        if text:
            there = place(text, plan.gap(hole), session.documents.get(plan.document.uri))
            if there is None:
                raise failed(
                    "the text at the gap has changed meanwhile, so nothing was inserted; try again",
                    t.LSPErrorCodes.ContentModified,
                )
            placed.append(there)
    session.stats.answered(Kind.ACTION, seconds)
    first = placed[0]
    session.stats.shown(Kind.ACTION, first.document, first.start, first.end, first.text)
    if len(placed) < len(plan.holes):
        left = len(plan.holes) - len(placed)
        session.messages.show(
            f"{left} of {len(plan.holes)} holes stay: the model has nothing for them"
        )
    return placed


def edit_of(session: Session, placed: Sequence[Placed]) -> t.WorkspaceEdit:
    document = placed[0].document
    edits = [
        t.TextEdit(document.range(each.start, each.end), each.text) for each in _joined(placed)
    ]
    if not session.support.versioned_edits:
        return t.WorkspaceEdit(changes={document.uri: edits})
    identifier = t.OptionalVersionedTextDocumentIdentifier(document.uri, document.reported_version)
    return t.WorkspaceEdit(document_changes=[t.TextDocumentEdit(identifier, list(edits))])


def _joined(placed: Sequence[Placed]) -> list[Placed]:
    """What follows at once on another is one edit: not every editor keeps the order of several."""
    joined: list[Placed] = []
    for each in placed:
        if joined and joined[-1].end == each.start:
            last = joined.pop()
            each = Placed(each.document, last.start, each.end, last.text + each.text)
        joined.append(each)
    return joined


async def _tree(session: Session, document: Document, offset: int, times: int) -> SyntaxTree | None:
    """Who asks by hand waits longer than ghost text would: without a tree there is less to do."""
    for _ in range(times):
        tree = await session.parsing.near(document, offset)
        if tree is not None:
            return tree
    return None


async def _fill(session: Session, plan: Plan, token: t.ProgressToken | None) -> Choices:
    """What there is to put in; the last draft that is shown is the first of these."""
    task = asyncio.current_task()
    stopped = False
    choices, last = Choices(), None

    async def settle(fill: Fill) -> tuple[str, ...] | None:
        nonlocal choices
        choices = await choices_of(session, plan, fill, last)
        return choices.sound[0].texts if choices.sound else None

    def stop() -> None:
        nonlocal stopped
        stopped = True
        if task is not None:
            task.cancel()

    try:
        async with FillProgress(
            session.server,
            plan.title,
            token=token,
            may_create=session.support.progress,
            on_cancel=stop,
        ) as progress:
            report = progress.on_draft

            def watch(draft: Draft) -> None:
                nonlocal last
                last = draft
                if report is not None:
                    report(draft)

            watched = report is not None or session.support.drafts
            await session.fills.fill_plan(plan, watch if watched else None, settle=settle)
            return choices
    except asyncio.CancelledError:
        if stopped:
            raise JsonRpcRequestCancelled("stopped by the user") from None
        raise
    except EngineError as error:
        raise failed(str(error)) from error


def _offer(session: Session, name: str, action: Action, plan: Plan, range: t.Range) -> t.CodeAction:
    data = {
        "action": name,
        "uri": plan.document.uri,
        "version": plan.document.version,
        "start": [range.start.line, range.start.character],
        "end": [range.end.line, range.end.character],
    }
    offer = t.CodeAction(title=plan.title, kind=action.kind)
    if session.support.resolves_actions or not session.support.applies_edits:
        offer.data = data
        return offer
    offer.command = t.Command(title=plan.title, command=action.command, arguments=[data])
    return offer


async def _planned(session: Session, data: Any) -> Plan:
    """What `_offer` wrote, come back from the client."""
    try:
        name, version = data["action"], data["version"]
        document = session.documents.get(data["uri"])
        range = range_of(data)
        known = name in ACTIONS
    except (KeyError, TypeError, ValueError) as error:
        raise failed(f"this action is not one of ours: {error}") from error
    if not known:
        raise failed("this action is not one of ours")
    if document is None or document.version != version:
        raise failed(
            "the document has changed since the action was offered; ask for it again",
            t.LSPErrorCodes.ContentModified,
        )
    return await plan_of(session, name, document, range)


def range_of(data: Any) -> t.Range:
    """Raises KeyError, TypeError or ValueError where there is none."""
    start, end = (
        position(dict(zip(("line", "character"), data[name], strict=True)))
        for name in ("start", "end")
    )
    return t.Range(start, end)


def _is_wanted(kind: str, only: Any) -> bool:
    """A client asks for kinds by their beginnings: `refactor` is every kind of refactoring."""
    return only is None or any(f"{kind}.".startswith(f"{_text(each)}.") for each in only)


def _text(kind: str | t.CodeActionKind) -> str:
    return kind.value if isinstance(kind, t.CodeActionKind) else kind
