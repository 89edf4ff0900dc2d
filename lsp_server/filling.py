"""Fills on the event loop: the engine's jobs as awaitables, shared, and stopped when unwanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.api import Cancelled, Draft, Fill, Priority
from engine.client.connect import HostEngine, Job
from lsp_server.secrets import Cleared


class Filling:
    """Equal requests share one job; it is cancelled when nobody waits for it any more.

    Work in the background gives way: any other request ends it, unless it is for the same. So does
    any other window's, at the host.
    """

    def __init__(self, engine: Callable[[], HostEngine]) -> None:
        self._engine = engine
        self._running: dict[Cleared, _Shared] = {}

    @property
    def idle(self) -> bool:
        return not self._running

    async def fill(
        self,
        request: Cleared,
        on_draft: Callable[[Draft], None] | None = None,
        background: bool = False,
    ) -> Fill:
        """Raises an EngineError. `on_draft` is called on the event loop.

        A job has drafts if the first who asked for it wanted them.
        """
        if not background:
            self._clear_way(request)
        shared = self._running.get(request)
        if shared is None:
            priority = Priority.SPECULATIVE if background else Priority.FOREGROUND
            shared = _Shared(self._engine(), request, on_draft is not None, priority)
            self._running[request] = shared
            shared.answer.add_done_callback(lambda _: self._forget(request, shared))
        if on_draft is not None:
            shared.listeners.append(on_draft)
        shared.waiting += 1
        shared.background &= background
        try:
            return await asyncio.shield(shared.answer)
        except Cancelled:
            if background or shared.priority is Priority.FOREGROUND:
                raise
        finally:
            shared.waiting -= 1
            if on_draft is not None:
                shared.listeners.remove(on_draft)
            if shared.waiting == 0 and not shared.answer.done():
                self._forget(request, shared)
                shared.job.cancel()
        # Joined in the background, it has given way to another window's.
        return await self.fill(request, on_draft)

    def _clear_way(self, request: Cleared) -> None:
        for other, shared in list(self._running.items()):
            if shared.background and other != request:
                self._forget(other, shared)
                shared.job.cancel()

    def _forget(self, request: Cleared, shared: _Shared) -> None:
        if self._running.get(request) is shared:
            del self._running[request]


class _Shared:
    __slots__ = ("answer", "background", "job", "listeners", "priority", "waiting")

    def __init__(
        self, engine: HostEngine, request: Cleared, drafts: bool, priority: Priority
    ) -> None:
        loop = asyncio.get_running_loop()
        self.listeners: list[Callable[[Draft], None]] = []
        self.priority = priority
        self.waiting = 0
        self.background = True

        def on_draft(draft: Draft) -> None:
            loop.call_soon_threadsafe(self._report, draft)

        self.job: Job = request.submit(engine, on_draft if drafts else None, priority)
        self.answer: asyncio.Future[Fill] = asyncio.wrap_future(self.job.future)
        # Nobody may be left to ask for the error of a job that was given up.
        self.answer.add_done_callback(lambda answer: answer.cancelled() or answer.exception())

    def _report(self, draft: Draft) -> None:
        for listener in self.listeners:
            listener(draft)
