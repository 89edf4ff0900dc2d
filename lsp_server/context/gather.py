"""Every source of context asked in its turn, off the event loop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping

from engine.api import Snippet
from lsp_server.context.asked import Asked, Gathered
from lsp_server.context.definitions import definitions
from lsp_server.context.edits import edits
from lsp_server.context.lookup import proposals
from lsp_server.context.names import names
from lsp_server.context.open_documents import open_documents
from lsp_server.context.siblings import siblings
from lsp_server.index.reader import Reader

log = logging.getLogger(__name__)

LOOKUP = "lookup"

# Of texts to read, the farthest and most stable first: what is kept of a prompt survives longer.
READ: Mapping[str, Callable[[Asked, Reader | None], tuple[Snippet, ...]]] = {
    "siblings": siblings,
    "definitions": definitions,
    "openDocuments": open_documents,
    "edits": edits,
}
SOURCES = (LOOKUP, *READ)


def gather(asked: Asked, reader: Reader | None, sources: Collection[str]) -> Gathered:
    """What the `sources`, of SOURCES, have. Never raises: a source that fails has nothing."""
    found: list[Snippet] = []
    for name, source in READ.items():
        if name in sources:
            try:
                found += source(asked, reader)
            except Exception:
                log.exception("%s were not read", name)
    seen = {each.text: each for each in found}
    try:
        proposed = proposals(asked, reader) if LOOKUP in sources else ()
    except Exception:
        log.exception("the workspace was not looked through")
        proposed = ()
    try:
        must = names(asked, reader) if asked.by_hand else ()
    except Exception:
        log.exception("the names that may stand there are not known")
        must = ()
    return Gathered(tuple(seen.values()), proposed, must)
