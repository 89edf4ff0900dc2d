"""Parsing off the event loop, with an end to patience: a fill without a tree beats a late one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from lsp_server.document import Document
from lsp_server.syntax.grammars import GRAMMARS
from lsp_server.syntax.part import LONG, part_around
from lsp_server.syntax.tree import SHARE, SyntaxTree, parse, parse_part

log = logging.getLogger(__name__)

# A request waits this long for a tree, and a parse that has taken this long is given up.
PATIENCE = 0.25
TIME_CAP = 0.5
# Seconds. What is asked meanwhile of a long document is answered from a part of it.
PAUSE = 1.0
# A part is parsed on the event loop.
PART_CAP = 0.004
LARGEST = 4_000_000

Parsed = asyncio.Future[SyntaxTree | None]


class Parsing:
    """Keeps each document's newest tree; one thread, so that a burst of edits cannot pile up.

    A new version is parsed from the tree of the one before, in the time that its edit takes; what
    has to be known of a long one at once, from the part that matters.

    A request waits `patience` seconds for a tree: more where no editor waits.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._pool: ThreadPoolExecutor | None = None
        self._newest: dict[str, tuple[Document, Parsed]] = {}
        self._trees: dict[str, SyntaxTree] = {}
        self._sound: dict[str, SyntaxTree] = {}  # the last ones that were free of errors
        self._wanted: dict[str, Document] = {}
        self._soon: asyncio.TimerHandle | None = None
        self._ahead: asyncio.Future[SyntaxTree | None] | None = None

    async def tree(self, document: Document) -> SyntaxTree | None:
        """None without a grammar, for a huge document, and when it would take too long."""
        if document.language not in GRAMMARS or len(document.text) > LARGEST:
            return None
        known, parsing = self._newest.get(document.uri, (None, None))
        if known is not document or parsing is None:
            if parsing is not None:
                parsing.cancel()
            self._wanted[document.uri] = document
            parsing = self._in_thread(
                document,
                self._trees.get(document.uri),
                lambda: self._wanted.get(document.uri) is document,
            )
            parsing.add_done_callback(lambda parsed: self._keep(document, parsed))
            self._newest[document.uri] = document, parsing
        return await self._waited(parsing)

    async def near(self, document: Document, offset: int) -> SyntaxTree | None:
        """The tree of what is around `offset`: there at once even while a long document is typed.

        Of the whole document where that is short, has been parsed, or does not fall into parts.
        """
        newest = self._trees.get(document.uri)
        if newest is None or newest.document is document or len(document.text) <= LONG:
            return await self.tree(document)
        known = self._sound.get(document.uri, newest)
        part = part_around(document, offset, known)
        tree = _parse_part(document, part, PART_CAP) if part is not None else None
        return tree if tree is not None else await self.tree(document)

    async def variant(self, document: Document, base: SyntaxTree) -> SyntaxTree | None:
        """The tree of what a document might become; `base` is the tree of what it is. Not kept."""
        if base.part is None:
            return await self._waited(self._in_thread(document, base))
        start, end = base.part
        part = start, end + len(document.text) - len(base.document.text)
        return _parse_part(document, part, PART_CAP)

    async def alone(self, document: Document) -> SyntaxTree | None:
        """The tree of a text that no editor has open. Not kept."""
        return await self._waited(self._in_thread(document, None))

    def in_a_pause(self, document: Document, is_wanted: Callable[[], bool]) -> None:
        """Parse `document` once nothing has changed for a while and it is still wanted, so that
        the tree by which parts of a long document are found is not an old one."""
        if self._soon is not None:
            self._soon.cancel()

        def parse() -> None:
            self._soon = None
            if is_wanted():
                self._ahead = asyncio.ensure_future(self.tree(document))

        self._soon = asyncio.get_running_loop().call_later(PAUSE, parse)

    def forget(self, uri: str) -> None:
        for known in (self._newest, self._trees, self._sound, self._wanted):
            known.pop(uri, None)

    def close(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _in_thread(
        self,
        document: Document,
        base: SyntaxTree | None,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Parsed:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "parsing")
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._pool, _parse, document, base, is_wanted)

    async def _waited(self, parsing: Parsed) -> SyntaxTree | None:
        await asyncio.wait({parsing}, timeout=self._patience)
        return parsing.result() if parsing.done() and not parsing.cancelled() else None

    def _keep(self, document: Document, parsed: Parsed) -> None:
        if parsed.cancelled() or document.uri not in self._newest:
            return
        tree = parsed.result()
        if tree is not None:
            self._trees[document.uri] = tree
            if not tree.tree.root_node.has_error:
                self._sound[document.uri] = tree


def _parse(
    document: Document, base: SyntaxTree | None, is_wanted: Callable[[], bool]
) -> SyntaxTree | None:
    try:
        tree = parse(document, base, TIME_CAP, is_wanted)
        if tree is not None:  # here, not on the event loop, which will ask
            tree.errors(lambda: time.sleep(SHARE))
        return tree
    except TimeoutError as error:
        if is_wanted():
            log.warning("%s; the gap is cut from text alone", error)
    except Exception:
        log.exception("parsing failed; the gap is cut from text alone")
    return None


def _parse_part(document: Document, part: tuple[int, int], cap: float) -> SyntaxTree | None:
    try:
        return parse_part(document, part, cap)
    except TimeoutError as error:
        log.info("%s; all of the document is parsed", error)
    return None
