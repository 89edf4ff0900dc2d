"""Parsing off the event loop, with an end to patience: a fill without a tree beats a late one."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from lsp_server.document import Document
from lsp_server.syntax.languages import GRAMMARS
from lsp_server.syntax.tree import SyntaxTree, parse

log = logging.getLogger(__name__)

# A request waits this long for a tree, and a parse that has taken this long is given up.
PATIENCE = 0.25
TIME_CAP = 0.5
LARGEST = 4_000_000

Parsed = asyncio.Future[SyntaxTree | None]


class Parsing:
    """Keeps each document's newest tree; one thread, so that a burst of edits cannot pile up.

    A new version is parsed from the tree of the one before, in the time that its edit takes.
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._newest: dict[str, tuple[Document, Parsed]] = {}
        self._trees: dict[str, SyntaxTree] = {}

    async def tree(self, document: Document) -> SyntaxTree | None:
        """None without a grammar, for a huge document, and when it would take too long."""
        if document.language not in GRAMMARS or len(document.text) > LARGEST:
            return None
        known, parsing = self._newest.get(document.uri, (None, None))
        if known is not document or parsing is None:
            if parsing is not None:
                parsing.cancel()
            parsing = self._in_thread(document, self._trees.get(document.uri))
            parsing.add_done_callback(lambda parsed: self._keep(document, parsed))
            self._newest[document.uri] = document, parsing
        return await _waited(parsing)

    async def variant(self, document: Document, base: SyntaxTree) -> SyntaxTree | None:
        """The tree of what a document might become; `base` is the tree of what it is. Not kept."""
        return await _waited(self._in_thread(document, base))

    def forget(self, uri: str) -> None:
        self._newest.pop(uri, None)
        self._trees.pop(uri, None)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _in_thread(self, document: Document, base: SyntaxTree | None) -> Parsed:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "parsing")
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._pool, _parse, document, base)

    def _keep(self, document: Document, parsed: Parsed) -> None:
        if parsed.cancelled() or document.uri not in self._newest:
            return
        tree = parsed.result()
        if tree is not None:
            self._trees[document.uri] = tree


async def _waited(parsing: Parsed) -> SyntaxTree | None:
    await asyncio.wait({parsing}, timeout=PATIENCE)
    return parsing.result() if parsing.done() and not parsing.cancelled() else None


def _parse(document: Document, base: SyntaxTree | None) -> SyntaxTree | None:
    try:
        return parse(document, base, TIME_CAP)
    except TimeoutError:
        log.warning("parsing was given up after %g s; the gap is cut from text alone", TIME_CAP)
    except Exception:
        log.exception("parsing failed; the gap is cut from text alone")
    return None
