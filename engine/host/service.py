"""Clients in, answers out: the host's event loop.

JSON-RPC, one object a line (engine.wire). A client says first who it is:

    hello     {protocol, version, role: "window" | "visitor", window, habits}; answered with who
              serves. Windows keep the host alive, visitors look in
    fill      a FillRequest's fields and its wire.Terms; answered with a Fill, after `draft`
              notifications {id, draft} where they were asked for
    cancel    a notification {id}: a waiting fill is answered Cancelled at once, a running one
              before its next step
    info      answered once the model has been loaded
    status    what the host is doing
    retire    the host ends when its last window leaves, at once where there is none
    shutdown  answered, then the host ends

and hears, beside the answers, `log` {level, message} and, last, `goodbye` {reason}.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from engine import __version__, wire
from engine.api import Draft, EngineError, EngineInfo, Fill
from engine.host.address import Address, Habits, Loaded
from engine.host.channel import Listener, has_unix_sockets, is_proof, peer, prove, remove_traces
from engine.host.schedule import Ticket
from engine.host.worker import Asked, Worker

log = logging.getLogger("engine.host")

HELLO_PATIENCE = 20.0  # seconds a connection may say nothing
FIRST_CLIENT = 10.0  # seconds for whoever started us to come
TICK = 1.0
GOODBYE_PATIENCE = 0.5
DRAFTS_BEHIND = 1 << 20  # bytes a client is behind with reading before it gets no drafts
ANSWERS_BEHIND = 256 << 20  # ... and before it is cut off
LOG_SIZE = 4 << 20


class Client:
    """A connection. `send` may be called on any thread."""

    def __init__(self, writer: asyncio.StreamWriter, loop: asyncio.AbstractEventLoop) -> None:
        self._writer = writer
        self._loop = loop
        self.window: str | None = None  # None for a visitor
        self.tickets: dict[Any, Ticket] = {}

    def send(self, message: wire.Message) -> None:
        line = wire.encode_line(message)
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._write, line, message.get("method") == "draft")

    def _write(self, line: bytes, is_draft: bool) -> None:
        if self._writer.is_closing():
            return
        behind = self._writer.transport.get_write_buffer_size()
        if behind > ANSWERS_BEHIND:
            self._writer.transport.abort()
        elif not is_draft or behind < DRAFTS_BEHIND:
            self._writer.write(line)


class Host:
    """Serves the clients that come to `listener` until `run` returns the reason to end."""

    def __init__(
        self, worker: Worker, listener: Listener, address: Address, loaded: Loaded, habits: Habits
    ) -> None:
        self._worker = worker
        self._listener = listener
        self._address = address
        self._loaded = loaded
        self._habits = habits
        self._clients: set[Client] = set()
        self._started = time.monotonic()
        self._alone_since = self._started
        self._had_clients = False
        self._retiring = False
        self._stopping: tuple[Ticket, float] | None = None
        self._log_starts = _log_size()
        self._socket_file = _identity(address)

    async def run(self) -> str:
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[str] = self._loop.create_future()
        serving = await self._serve()
        keeping = asyncio.create_task(self._keep_house())
        reason = await self._end
        serving.close()
        keeping.cancel()
        if _identity(self._address) == self._socket_file:
            remove_traces(self._address)
        for client in self._clients:
            client.send({"method": "goodbye", "params": {"reason": reason}})
        await asyncio.sleep(0)
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_PATIENCE):
                for client in self._clients:
                    with suppress(OSError):
                        await client._writer.drain()
        return reason

    def end(self, reason: str) -> None:
        if not self._end.done():
            self._end.set_result(reason)

    def broadcast(self, message: wire.Message) -> None:
        """To every window, from any thread."""
        for client in list(self._clients):
            if client.window is not None:
                client.send(message)

    async def _serve(self) -> asyncio.Server:
        listener, limit = self._listener.socket, wire.LINE_LIMIT
        listener.setblocking(False)
        if has_unix_sockets():
            return await asyncio.start_unix_server(self._meet, sock=listener, limit=limit)
        return await asyncio.start_server(self._meet, sock=listener, limit=limit)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(writer, self._loop)
        try:
            async with asyncio.timeout(HELLO_PATIENCE):
                greeted = await self._is_same_user(client, reader) and await self._greet(
                    client, reader
                )
            if greeted:
                await self._listen_to(client, reader)
        except (OSError, TimeoutError, EOFError):
            pass
        except ValueError as error:  # a line over the limit: where the next begins is not known
            log.error("a client sent what cannot be read, and is dropped: %s", error)
        finally:
            self._lose(client)
            self._loop.call_soon(writer.close)  # behind what was sent last

    async def _is_same_user(self, client: Client, reader: asyncio.StreamReader) -> bool:
        secret = self._listener.secret
        if secret is None:
            uid, _ = peer(client._writer.get_extra_info("socket"))
            if uid is None or uid == os.geteuid():
                return True
            log.error("a process of user %d was turned away", uid)
            return False
        try:
            asked = wire.decode_line(await reader.readline())
            mine, theirs = secrets.token_hex(16), str(asked["params"]["nonce"])
            proof = prove(secret, "host", theirs)
            client.send({"id": asked.get("id"), "result": {"proof": proof, "nonce": mine}})
            answer = wire.decode_line(await reader.readline())["params"]["proof"]
        except (ValueError, KeyError, TypeError):
            return False
        return is_proof(secret, "client", mine, answer)

    async def _greet(self, client: Client, reader: asyncio.StreamReader) -> bool:
        line = await reader.readline()
        if not line:
            return False
        try:
            message = wire.decode_line(line)
            params = message["params"]
            theirs, role = params["protocol"], params["role"]
        except (ValueError, KeyError, TypeError) as error:
            log.error("a client did not say hello, and is dropped: %s", error)
            client.send(_parse_error(error))
            return False
        if message.get("method") != "hello" or theirs != wire.PROTOCOL:
            problem = EngineError(
                f"the engine that runs (process {os.getpid()}) is of infill-ls {__version__} and"
                f" does not understand this one ({params.get('version')}): run"
                " `infill-ls engine stop`"
            )
            client.send({"id": message.get("id"), "error": wire.error_to_json(problem)})
            return False
        if role == "window":
            client.window = str(params.get("window") or id(client))
            self._had_clients = True
        self._clients.add(client)
        client.send({"id": message.get("id"), "result": self._introduction()})
        return True

    def _introduction(self) -> wire.Message:
        return {
            "protocol": wire.PROTOCOL,
            "version": __version__,
            "pid": os.getpid(),
            **asdict(self._loaded),
            "habits": asdict(self._habits),
            "log_starts": self._log_starts,
        }

    async def _listen_to(self, client: Client, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            if not line.strip():
                continue
            try:
                message = wire.decode_line(line)
            except ValueError as error:
                log.error("a line that is no message was dropped: %s", error)
                client.send(_parse_error(error))
                continue
            self._handle(client, message)

    def _handle(self, client: Client, message: wire.Message) -> None:
        method, id, params = message.get("method"), message.get("id"), message.get("params") or {}
        match method:
            case "fill":
                self._take_fill(client, id, params)
            case "cancel":
                ticket = client.tickets.get(_key(params.get("id")))
                if ticket is not None:  # else it is answered already: the two messages crossed
                    self._worker.stop(ticket)
            case "info":
                self._worker.ask_info(lambda outcome: client.send(_info_message(id, outcome)))
            case "status":
                client.send({"id": id, "result": self._status()})
            case "retire":
                client.send({"id": id, "result": self._status()})
                self._retiring = True
                self._end_if_alone()
            case "shutdown":
                client.send({"id": id, "result": self._status()})
                self.end(str(params.get("reason") or "was stopped"))
            case _ if id is not None:
                problem = {"code": wire.METHOD_NOT_FOUND, "message": f"no method {method!r}"}
                client.send({"id": id, "error": problem})

    def _take_fill(self, client: Client, id: Any, params: Any) -> None:
        try:
            request, terms = wire.fill_from_params(params)
        except EngineError as error:
            client.send({"id": id, "error": wire.error_to_json(error)})
            return

        def on_draft(draft: Draft) -> None:
            params = {"id": id, "draft": wire.draft_to_json(draft)}
            client.send({"method": "draft", "params": params})

        def answer(outcome: Fill | EngineError) -> None:
            client.tickets.pop(_key(id), None)
            client.send(_fill_message(id, outcome))

        asked = Asked(request, client.window or "", answer, on_draft if terms.drafts else None)
        ticket = Ticket(client, asked, terms.priority, terms.slot)
        if terms.within is not None:
            ticket.deadline = time.monotonic() + terms.within
            # A little late: the two clocks need not agree to the last digit.
            self._loop.call_later(terms.within + 0.002, self._worker.expire)
        client.tickets[_key(id)] = ticket
        self._worker.put(ticket)

    def _lose(self, client: Client) -> None:
        if self._end.done():  # it is we who go: the goodbye says why, an answer would not
            return
        self._clients.discard(client)
        self._worker.leave(client)
        if client.window is not None:
            self._alone_since = time.monotonic()
            self._end_if_alone()

    def _windows(self) -> int:
        return sum(client.window is not None for client in self._clients)

    def _end_if_alone(self) -> None:
        if self._windows():
            return
        linger = 0.0 if self._retiring else self._habits.linger
        if not self._had_clients:
            linger = max(linger, FIRST_CLIENT)
        if time.monotonic() >= self._alone_since + linger:
            self.end("was needed by nobody and ended")

    async def _keep_house(self) -> None:
        tick = min(TICK, self._habits.cancel_patience / 4)
        while True:
            await asyncio.sleep(tick)
            self._end_if_alone()
            self._look_for_a_hang()
            if _identity(self._address) != self._socket_file:
                self._retiring = True  # nobody can find us any more
            if _log_size() > LOG_SIZE:
                with suppress(OSError):
                    os.ftruncate(2, 0)

    def _look_for_a_hang(self) -> None:
        running, now = self._worker.running, time.monotonic()
        if running is None or not running.stop.is_set() or self._worker.state == "loading":
            self._stopping = None
        elif self._stopping is None or self._stopping[0] is not running:
            self._stopping = running, now
        elif now > self._stopping[1] + self._habits.cancel_patience:
            patience = self._habits.cancel_patience
            self.end(f"did not stop a fill within {patience:g} s and was ended")

    def _status(self) -> wire.Message:
        running = self._worker.running
        return {
            **self._introduction(),
            "state": self._worker.state,
            "windows": self._windows(),
            "running": running is not None,
            "waiting": self._worker.waiting,
            "filled": self._worker.filled,
            "seconds": round(time.monotonic() - self._started, 1),
        }


class ToWindows(logging.Handler):
    """What a user should know reaches the windows' logs too."""

    def __init__(self, broadcast: Callable[[wire.Message], None]) -> None:
        super().__init__(logging.WARNING)
        self._broadcast = broadcast

    def emit(self, record: logging.LogRecord) -> None:
        params = {"level": record.levelno, "message": record.getMessage()}
        self._broadcast({"method": "log", "params": params})


def _fill_message(id: Any, outcome: Fill | EngineError) -> wire.Message:
    if isinstance(outcome, EngineError):
        return {"id": id, "error": wire.error_to_json(outcome)}
    return {"id": id, "result": wire.fill_to_json(outcome)}


def _info_message(id: Any, outcome: EngineInfo | EngineError) -> wire.Message:
    if isinstance(outcome, EngineError):
        return {"id": id, "error": wire.error_to_json(outcome)}
    return {"id": id, "result": {"model": outcome.model, "device": outcome.device}}


def _parse_error(error: Exception) -> wire.Message:
    return {"id": None, "error": {"code": wire.PARSE_ERROR, "message": str(error)}}


def _key(id: Any) -> str:
    """An id may be anything that JSON has; 1 and "1" are two."""
    return json.dumps(id)


def _identity(address: Address) -> tuple[int, int] | None:
    """Which file our name is, since another host may have come to bear it."""
    path = address.socket if address.socket.exists() else address.port
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _log_size() -> int:
    """Of the file that stderr is; 0 when it is none."""
    with suppress(OSError):
        found = os.fstat(2)
        if stat.S_ISREG(found.st_mode):
            return found.st_size
    return 0
