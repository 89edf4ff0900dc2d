"""textDocument/inlineCompletion: ghost text."""

from __future__ import annotations

from lsprotocol import types as t

from lsp_server.document import Document
from lsp_server.progress import FillProgress
from lsp_server.session import Session
from lsp_server.suggest.suggestion import suggest

OPTIONS = t.InlineCompletionOptions()


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
    async with FillProgress(session.server, "Filling", token=params.work_done_token) as progress:
        placed = await suggest(session, document, offset, progress.on_draft)
    if placed is None:
        return None
    item = t.InlineCompletionItem(
        insert_text=placed.text, range=placed.document.range(placed.start, placed.end)
    )
    selected = params.context.selected_completion_info
    if selected is not None and not _extends(item, selected, document, offset):
        return None
    return t.InlineCompletionList(items=[item])


def _extends(
    item: t.InlineCompletionItem,
    selected: t.SelectedCompletionInfo,
    document: Document,
    offset: int,
) -> bool:
    """With the popup open, ghost text may only go on from what the popup would insert."""
    start, _ = document.offsets(selected.range)
    return f"{document.text[start:offset]}{item.insert_text}".startswith(selected.text)
