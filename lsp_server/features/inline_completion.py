"""textDocument/inlineCompletion: ghost text."""

from __future__ import annotations

from lsprotocol import types as t

from lsp_server.anchor import Placed
from lsp_server.document import Document
from lsp_server.notify.progress import FillProgress
from lsp_server.session import Session
from lsp_server.suggest.suggestions import Ask


async def answer(
    session: Session, document: Document, params: t.InlineCompletionParams
) -> t.InlineCompletionList | None:
    """Null for nothing, and for a request that a newer one of the document has superseded."""
    return await session.newest.run(
        ("inlineCompletion", document.uri), _inline_completion(session, document, params)
    )


async def _inline_completion(
    session: Session, document: Document, params: t.InlineCompletionParams
) -> t.InlineCompletionList | None:
    offset = document.offset(params.position)
    selected = params.context.selected_completion_info
    beginning = _chosen_in_popup(document, offset, selected)
    if beginning is None:
        return None
    invoked = params.context.trigger_kind is t.InlineCompletionTriggerKind.Invoked
    trigger = session.suggestions.trigger(document, invoked)
    async with FillProgress(session.server, "Filling", token=params.work_done_token) as progress:
        ask = Ask(
            document,
            offset,
            trigger,
            beginning=beginning,
            on_draft=progress.on_draft,
            most=session.settings.choices if invoked else 1,
        )
        suggested = await session.suggestions.suggest(ask)
    if selected is not None:
        start, end = document.offsets(selected.range)
        over = [
            _over_selected(each, document.text[start:offset], end - offset) for each in suggested
        ]
        suggested = [each for each in over if each is not None]
    items = [
        t.InlineCompletionItem(each.text, range=each.document.range(each.start, each.end))
        for each in suggested
    ]
    return t.InlineCompletionList(items) if items else None


def _over_selected(placed: Placed, typed: str, after: int) -> Placed | None:
    """`placed` over the range of the popup's choice, which clients insist on: what has been `typed`
    of it before the cursor, and `after` characters that follow. Closers that it covers besides
    stay, if it ends with them; else there is no text for that range.
    """
    text = placed.document.text
    start, end = placed.start - len(typed), placed.start + after
    if start < 0 or text[start : placed.start] != typed:
        return None
    kept = text[end : placed.end]
    if not placed.text.endswith(kept):
        return None
    return Placed(placed.document, start, end, typed + placed.text.removesuffix(kept))


def _chosen_in_popup(
    document: Document, offset: int, selected: t.SelectedCompletionInfo | None
) -> str | None:
    """What the popup's choice would add at the cursor: ghost text may only go on from there.

    None where the choice is not an extension of what stands before the cursor.
    """
    if selected is None:
        return ""
    start, _ = document.offsets(selected.range)
    typed = document.text[start:offset]
    return selected.text.removeprefix(typed) if selected.text.startswith(typed) else None
