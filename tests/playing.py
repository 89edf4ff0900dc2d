"""A playground that serves while a test lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from lsp_server.commands.playground import Playground

TOKEN = "the-token"


@asynccontextmanager
async def served(*scripts: Path) -> AsyncIterator[str]:
    """The page's address. The scripted engine fills, by the first of `scripts` unless the page asks
    for another; without any, the embedded model does."""
    loop = asyncio.get_running_loop()
    address: asyncio.Future[str] = loop.create_future()
    models = tuple(map(str, scripts)) or ("embedded",)
    factory = "tests.scripted:load" if scripts else None
    playground = Playground(TOKEN, models, None, factory)
    serving = asyncio.create_task(
        playground.serve(0, lambda url: loop.call_soon_threadsafe(address.set_result, url))
    )
    try:
        yield await address
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
