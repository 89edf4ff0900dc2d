"""A playground that serves while a test lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from lsp_server.commands.playground import Playground

TOKEN = "the-token"


@asynccontextmanager
async def served(script: Path | None) -> AsyncIterator[str]:
    """The page's address; the scripted engine fills, or the embedded model without a `script`."""
    loop = asyncio.get_running_loop()
    address: asyncio.Future[str] = loop.create_future()
    model, factory = (str(script), "tests.scripted:load") if script else ("embedded", None)
    playground = Playground(TOKEN, model, None, factory)
    serving = asyncio.create_task(
        playground.serve(0, lambda url: loop.call_soon_threadsafe(address.set_result, url))
    )
    try:
        yield await address
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
