"""From a cursor to a suggestion that fits the document as it is when the fill is there."""

from __future__ import annotations

from collections.abc import Callable

from engine.api import Draft
from lsp_server.anchor import Placed, place
from lsp_server.document import Document
from lsp_server.gap import cut
from lsp_server.session import Session
from lsp_server.suggest.clean import clean

# Longer than any fill takes, loading the model aside: nobody looks at a cursor for longer.
PATIENCE = 20.0


async def suggest(
    session: Session,
    document: Document,
    offset: int,
    on_draft: Callable[[Draft], None] | None = None,
) -> Placed | None:
    """The fill of the gap at `offset` of `document`, where it belongs now; None for nothing."""
    gap = cut(document, offset, tree=await session.parsing.tree(document))
    fill = await session.try_to_fill(gap, PATIENCE, on_draft)
    text = clean(fill.texts[0], gap) if fill is not None else ""
    if not text:
        return None
    return place(text, gap, session.documents.get(document.uri))
