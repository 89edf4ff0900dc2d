"""The newest request wins: an older one for the same thing is answered null at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Newest:
    """Neovim 0.12 does not cancel what it no longer wants while the user types: we do."""

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[Any]] = {}

    async def run(self, key: Hashable, work: Coroutine[Any, Any, T]) -> T | None:
        """What `work` gives, or None as soon as other work comes for `key`.

        The caller's own cancellation goes through: it ends `work` and is raised.
        """
        task = asyncio.ensure_future(work)
        older = self._running.get(key)
        self._running[key] = task
        if older is not None:
            older.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            return None
        finally:
            if self._running.get(key) is task:
                del self._running[key]
