"""The next fill, computed before it is asked for, while nobody else wants the engine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from engine.api import EngineError
from lsp_server.document import Document
from lsp_server.gap import Gap, cut
from lsp_server.suggest.cache import Cache
from lsp_server.syntax.blocks import indent_of
from lsp_server.syntax.parsing import Parsing

log = logging.getLogger(__name__)

IDLE = 0.15


class Ahead:
    """One computation at a time; the next one replaces it.

    `fill` gives a text that may be shown as it is, or "", and its confidence. It gives way to any
    request.
    """

    def __init__(
        self,
        cache: Cache,
        parsing: Parsing,
        is_idle: Callable[[], bool],
        fill: Callable[[Gap], Awaitable[tuple[str, float]]],
        outside: Callable[[Document], int],
    ) -> None:
        self._cache = cache
        self._parsing = parsing
        self._is_idle = is_idle
        self._fill = fill
        self._outside = outside
        self._task: asyncio.Task[None] | None = None
        self._accepted: int | None = None

    def go(self, gap: Gap, text: str, covers: int) -> None:
        """Look ahead to what comes after `text` in `gap`. Typing into `text` changes nothing."""
        accepted = hash(
            (gap.document.uri, gap.prefix + text, gap.document.text[gap.end + covers :])
        )
        if accepted == self._accepted and self._task is not None and not self._task.cancelled():
            return
        self.stop()
        self._accepted = accepted
        self._task = asyncio.ensure_future(self._run(gap, text, covers))

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self, gap: Gap, text: str, covers: int) -> None:
        await asyncio.sleep(IDLE)
        after = gap.document.text[gap.end + covers :]
        accepted = gap.prefix + text
        # As if accepted; and where nothing more belongs on that line, as if on the next one.
        for start in (accepted, accepted + gap.document.newline + _indent_after(accepted)):
            if not self._is_idle():
                return
            document = replace(gap.document, text=start + after, line_starts=())
            if await self._one(gap, document, len(start)):
                return

    async def _one(self, gap: Gap, document: Document, offset: int) -> bool:
        tree = await self._parsing.variant(document, gap.tree) if gap.tree is not None else None
        next_gap = cut(document, offset, tree=tree)
        outside = self._outside(document)
        try:
            text, confidence = await self._fill(next_gap)
        except EngineError as error:
            log.debug("not ahead: %s", error)
            self._accepted = None
            return True
        if text:
            self._cache.store(document, offset, text, confidence, outside)
        return bool(text)


def _indent_after(text: str) -> str:
    """What an editor puts before the cursor on a new line: the indentation of the last one."""
    return indent_of(text[text.rfind("\n") + 1 :])
