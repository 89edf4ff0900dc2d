"""Parsing off the event loop, with an end to patience: a fill without a tree beats a late one."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from lsp_server.document import Document
from lsp_server.syntax.languages import GRAMMARS
from lsp_server.syntax.tree import SyntaxTree, parse

log = logging.getLogger(__name__)

PATIENCE = 0.25
LARGEST = 4_000_000


class Parsing:
    """Keeps each document's newest tree; one thread, so that a burst of edits cannot pile up."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._newest: dict[str, tuple[Document, asyncio.Future[SyntaxTree | None]]] = {}

    async def tree(self, document: Document) -> SyntaxTree | None:
        """None without a grammar, for a huge document, and when it would take too long."""
        if document.language not in GRAMMARS or len(document.text) > LARGEST:
            return None
        known, parsing = self._newest.get(document.uri, (None, None))
        if known is not document or parsing is None:
            if parsing is not None:
                parsing.cancel()
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, "parsing")
            loop = asyncio.get_running_loop()
            parsing = loop.run_in_executor(self._pool, _parse, document)
            self._newest[document.uri] = document, parsing
        await asyncio.wait({parsing}, timeout=PATIENCE)
        return parsing.result() if parsing.done() and not parsing.cancelled() else None

    def forget(self, uri: str) -> None:
        self._newest.pop(uri, None)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _parse(document: Document) -> SyntaxTree | None:
    try:
        return parse(document)
    except Exception:
        log.exception("parsing failed; the gap is cut from text alone")
        return None
