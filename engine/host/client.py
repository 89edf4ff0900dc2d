"""A connection to the host, from the host's side."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

from engine.api import EngineError, EngineInfo, Fill
from engine.client import wire
from engine.host.schedule import Ticket

DRAFTS_BEHIND = 1 << 20  # bytes a client is behind with reading before it gets no drafts
ANSWERS_BEHIND = 256 << 20  # ... and before it is cut off


class Client:
    """What is sent may be sent on any thread. `window` is None for a visitor."""

    def __init__(self, writer: asyncio.StreamWriter, loop: asyncio.AbstractEventLoop) -> None:
        self._writer = writer
        self._loop = loop
        self.window: str | None = None
        self.tickets: dict[Any, Ticket] = {}

    @property
    def socket(self) -> socket.socket:
        connection: socket.socket = self._writer.get_extra_info("socket")
        return connection

    def send(self, message: wire.Message) -> None:
        line = wire.encode_line(message)
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._write, line, message.get("method") == "draft")

    def answer(self, id: Any, outcome: wire.Message | Fill | EngineInfo | EngineError) -> None:
        match outcome:
            case EngineError():
                self.send({"id": id, "error": wire.error_to_json(outcome)})
            case Fill():
                self.send({"id": id, "result": wire.fill_to_json(outcome)})
            case EngineInfo():
                self.send({"id": id, "result": wire.info_to_json(outcome)})
            case _:
                self.send({"id": id, "result": outcome})

    def refuse(self, id: Any, code: int, why: object) -> None:
        """What is no request cannot be answered as one."""
        self.send({"id": id, "error": {"code": code, "message": str(why)}})

    async def drain(self) -> None:
        with suppress(OSError):
            await self._writer.drain()

    def close(self) -> None:
        """Behind what was sent last."""
        self._loop.call_soon(self._writer.close)

    def _write(self, line: bytes, is_draft: bool) -> None:
        if self._writer.is_closing():
            return
        behind = self._writer.transport.get_write_buffer_size()
        if behind > ANSWERS_BEHIND:
            self._writer.transport.abort()
        elif not is_draft or behind < DRAFTS_BEHIND:
            self._writer.write(line)
