"""Clients in, answers out: the host's event loop.

JSON-RPC, one object a line (engine.client.wire). A client reports first who it is:

    hello     {protocol, version, role: "window" | "visitor", window, habits}; answered with who
              serves. Windows keep the host alive, visitors look in
    fill      a FillRequest's fields and its wire.Terms; answered with a Fill, after `draft`
              notifications {id, draft} where they were asked for
    cancel    a notification {id}: a waiting fill is answered Cancelled at once, a running one
              before its next step
    ping      answered at once, whatever the model does
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
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from engine import __version__
from engine.api import Draft, EngineError, Fill
from engine.client import wire
from engine.client.address import Address, Loaded
from engine.client.channel import Listener, has_unix_sockets, remove_traces
from engine.client.habits import Habits
from engine.host import log as own_log
from engine.host.client import Client
from engine.host.greeting import Hello, hear_hello, is_same_user
from engine.host.schedule import Ticket
from engine.host.worker import Asked, Worker

log = logging.getLogger("engine.host")

HELLO_PATIENCE = 20.0  # seconds a connection may say nothing
FIRST_CLIENT = 10.0  # seconds for whoever started us to come
TICK = 1.0
GOODBYE_PATIENCE = 0.5


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
        self._stopping: dict[Ticket, float] = {}  # since when it is told to
        self._log_starts = own_log.size()
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
                    await client.drain()
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
                known = await is_same_user(client, reader, self._listener.secret)
                hello = await hear_hello(client, reader) if known else None
            if hello is not None:
                self._welcome(client, hello)
                await self._listen_to(client, reader)
        except (OSError, TimeoutError, EOFError):
            pass
        except ValueError as error:  # a line over the limit: where the next begins is not known
            log.error("a client sent what cannot be read, and is dropped: %s", error)
        finally:
            self._lose(client)
            client.close()

    def _welcome(self, client: Client, hello: Hello) -> None:
        if hello.window is not None:
            if not self._serves_others_than(hello.window):
                self._take_habits(hello.habits)
            self._had_clients = True
        client.answer(hello.id, self._introduction())
        client.window = hello.window  # from now on it is told what is logged, behind the answer
        self._clients.add(client)

    def _serves_others_than(self, window: str) -> bool:
        """Windows of one process are one editor's: when it connects anew, the old one is to go."""
        process = window.partition(".")[0]
        others = {client.window for client in self._clients} - {None}
        return any(other.partition(".")[0] != process for other in others if other)

    def _take_habits(self, document: Any) -> None:
        try:
            self._habits = Habits.from_json(document)
        except ValueError:
            return  # a client that wants none
        self._worker.unload_after(self._habits.unload_after)

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
                client.refuse(None, wire.PARSE_ERROR, error)
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
            case "ping":
                client.answer(id, {})
            case "info":
                self._worker.ask_info(lambda outcome: client.answer(id, outcome))
            case "status":
                client.answer(id, self._status())
            case "retire":
                client.answer(id, self._status())
                self._retiring = True
                self._end_if_alone()
            case "shutdown":
                client.answer(id, self._status())
                self.end(str(params.get("reason") or "was stopped"))
            case _ if id is not None:
                client.refuse(id, wire.METHOD_NOT_FOUND, f"no method {method!r}")

    def _take_fill(self, client: Client, id: Any, params: Any) -> None:
        try:
            request, terms = wire.fill_from_params(params)
        except EngineError as error:
            client.answer(id, error)
            return

        def on_draft(draft: Draft) -> None:
            params = {"id": id, "draft": wire.draft_to_json(draft)}
            client.send({"method": "draft", "params": params})

        def answer(outcome: Fill | EngineError) -> None:
            client.tickets.pop(_key(id), None)
            client.answer(id, outcome)

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
        while True:
            await asyncio.sleep(min(TICK, self._habits.cancel_patience / 4))
            self._end_if_alone()
            self._look_for_a_hang()
            if _identity(self._address) != self._socket_file:
                self._retiring = True  # nobody can find us any more
            own_log.keep_small()

    def _look_for_a_hang(self) -> None:
        now = time.monotonic()
        running = () if self._worker.state == "loading" else self._worker.running
        self._stopping = {
            ticket: self._stopping.get(ticket, now) for ticket in running if ticket.stop.is_set()
        }
        patience = self._worker.patience(self._habits.cancel_patience)
        if any(now > since + patience for since in self._stopping.values()):
            self.end(f"did not stop a fill within {patience:g} s and was ended")

    def _status(self) -> wire.Message:
        return {
            **self._introduction(),
            "state": self._worker.state,
            "way": info.way if (info := self._worker.info) is not None else "",
            "windows": self._windows(),
            "running": len(self._worker.running),
            "waiting": self._worker.waiting,
            "filled": self._worker.filled,
            "seconds": round(time.monotonic() - self._started, 1),
        }


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
