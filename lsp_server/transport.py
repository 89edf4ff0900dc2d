"""Bytes in and out: stdio, TCP, web socket. Each serves one client and returns when it has gone.

pygls's own loops are not used: they take only the exact spelling `Content-Length`, read stdin in
the pool that handlers share, write to a full pipe from the event loop, and do not end on ctrl-c.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import sys
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from lsp_server.framing import MOST_BODY, Framing
from lsp_server.streams import claim_standard_streams

if TYPE_CHECKING:
    from lsp_server.protocol import InfillProtocol

log = logging.getLogger(__name__)

CHUNK = 1 << 16
DRAIN_PATIENCE = 2.0


class Served(Protocol):
    """What a transport needs of the server it carries for."""

    protocol: InfillProtocol
    ends_with_client: bool

    def stop(self, exit_code: int) -> None: ...

    async def stopped(self) -> None: ...


async def over_stdio(server: Served) -> None:
    """A thread reads and makes messages, another one writes: the loop waits for no pipe."""
    reading, writing = claim_standard_streams()
    writer = ThreadWriter(writing)
    server.protocol.set_writer(writer)
    server.ends_with_client = True
    loop = asyncio.get_running_loop()

    def read() -> None:
        framing = Framing()
        # A RuntimeError: the loop has ended before its input.
        with suppress(RuntimeError):
            try:
                while data := _read(reading):
                    for frame in framing.feed(data):
                        message = server.protocol.read(frame)
                        loop.call_soon_threadsafe(server.protocol.receive, message)
            except OSError as error:
                log.info("the input has ended: %s", error)
            finally:
                loop.call_soon_threadsafe(server.stop, 0)

    threading.Thread(target=read, name="lsp-reader", daemon=True).start()
    try:
        await server.stopped()
    finally:
        writer.close()


async def over_tcp(server: Served, host: str, port: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if server.protocol.writer is not None:
            writer.close()  # one client is one session
            return
        server.protocol.set_writer(writer)
        framing = Framing()
        try:
            while data := await reader.read(CHUNK):
                for frame in framing.feed(data):
                    server.protocol.receive(server.protocol.read(frame))
        except OSError as error:
            log.info("the connection has ended: %s", error)
        finally:
            server.stop(0)

    listener = await asyncio.start_server(connected, host, port)
    _announce("tcp", listener.sockets[0].getsockname())
    async with listener:
        await server.stopped()
        writer: Any = server.protocol.writer
        if writer is not None:
            writer.close()


async def over_ws(server: Served, host: str, port: int) -> None:
    from websockets.asyncio.server import serve

    async def connected(socket: Any) -> None:
        if server.protocol.writer is None:
            await over_socket(server, socket)

    async with serve(connected, host, port, max_size=MOST_BODY) as listener:
        _announce("ws", next(iter(listener.sockets)).getsockname())
        await server.stopped()


async def over_socket(server: Served, socket: Any) -> None:
    """One message a frame, until the web socket `socket` is closed."""
    from websockets.exceptions import ConnectionClosed

    server.protocol.set_writer(SocketWriter(socket), include_headers=False)
    try:
        while True:
            body = await socket.recv(decode=False)
            server.protocol.receive(server.protocol.read(body))
    except ConnectionClosed:
        pass
    finally:
        server.stop(0)


def _read(descriptor: int) -> bytes:
    """What there is, waiting for it also where the client has made its pipe non-blocking."""
    while True:
        try:
            return os.read(descriptor, CHUNK)
        except BlockingIOError:
            select.select([descriptor], [], [])


def _write(descriptor: int, data: memoryview) -> int:
    while True:
        try:
            return os.write(descriptor, data)
        except BlockingIOError:
            select.select([], [descriptor], [])


class ThreadWriter:
    """Writes to a file descriptor in its own thread, in order."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="lsp-writer", daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        self._outbox.put(data)

    def close(self) -> None:
        """Returns when all is written, or the client has not read for a while."""
        self._outbox.put(None)
        self._thread.join(DRAIN_PATIENCE)

    def _write(self) -> None:
        try:
            while (data := self._outbox.get()) is not None:
                view = memoryview(data)
                while view:
                    view = view[_write(self._descriptor, view) :]
        except OSError:
            return  # nobody reads any more; the end of stdin will say so


class SocketWriter:
    def __init__(self, socket: Any) -> None:
        self._socket = socket

    def write(self, data: bytes) -> Any:
        return self._socket.send(data.decode())

    def close(self) -> Any:
        return self._socket.close()


def _announce(scheme: str, address: tuple[Any, ...]) -> None:
    host = f"[{address[0]}]" if ":" in str(address[0]) else address[0]
    print(f"infill-ls: listening on {scheme}://{host}:{address[1]}", file=sys.stderr, flush=True)
