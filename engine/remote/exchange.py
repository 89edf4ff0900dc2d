"""One HTTP request and its answer, line by line, which whoever waits can look away from."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from engine.api import Cancelled, EngineError, IsCancelled
from engine.remote import connections
from engine.remote.key import find_key

log = logging.getLogger("engine.remote")

PATIENCE = 60.0  # seconds without a byte
DEADLINE = 180.0  # seconds for the whole of an answer
LOOK = 0.05  # seconds between two looks whether the fill is cancelled
ANSWER_LIMIT = 16 << 20


_Request = tuple[str, str, bytes | None, dict[str, str]]  # method, path, body, headers


class Place(Protocol):
    """Where a server is; as a text, its address."""

    @property
    def secure(self) -> bool: ...

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...


class Exchange:
    """On a thread of its own. Closing it closes the connection, which makes the server stop."""

    def __init__(self, server: Place, path: str, body: dict[str, Any] | None) -> None:
        self._server = server
        self._place = (server.secure, server.host, server.port)
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._closed = False
        self._parts: SimpleQueue[Any] = SimpleQueue()
        self._ends = time.monotonic() + DEADLINE
        headers = {"Accept": "application/json", **_authorization(server)}
        data = None
        if body is not None:
            data = json.dumps(body).encode("ascii")
            headers["Content-Type"] = "application/json"
        arguments = ("GET" if data is None else "POST", path, data, headers)
        threading.Thread(target=self._run, args=arguments, name="remote", daemon=True).start()

    def begin(self, cancelled: IsCancelled | None) -> tuple[int, dict[str, str]]:
        """The status and the headers, their names in small letters."""
        status: tuple[int, dict[str, str]] = self._next(cancelled)
        return status

    def lines(self, cancelled: IsCancelled | None) -> Iterator[bytes]:
        size = 0
        while (line := self._next(cancelled)) is not None:
            size += len(line)
            if size > ANSWER_LIMIT:
                raise EngineError(f"{self._server} does not stop answering")
            yield line

    def close(self) -> None:
        """Nothing happens where the whole of the answer has been read."""
        with self._lock:
            self._closed = True
            open_socket, self._socket = self._socket, None
        if open_socket is not None:
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
            open_socket.close()

    def _next(self, cancelled: IsCancelled | None) -> Any:
        while True:
            if cancelled is not None and cancelled():
                self.close()
                raise Cancelled("cancelled")
            if time.monotonic() > self._ends:
                raise EngineError(f"{self._server} did not end its answer within {DEADLINE:g} s")
            try:
                part = self._parts.get(timeout=LOOK)
            except Empty:
                continue
            if isinstance(part, EngineError):
                raise part
            return part

    def _run(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> None:
        connection: HTTPConnection | None = None
        has_begun = False
        try:
            request = (method, path, data, headers)
            connection = connections.take(self._place, PATIENCE)
            response = self._ask_again(connection, request) if connection is not None else None
            if response is None:
                connection = connections.new(self._place, PATIENCE)
                connection.connect()
                response = self._response(connection, request)
            assert connection is not None
            fields = {name.lower(): value for name, value in response.getheaders()}
            self._parts.put((response.status, fields))
            has_begun = True
            for line in response:
                self._parts.put(line)
            if response.length:  # it announced more than came
                raise http.client.IncompleteRead(b"")
            response.read()  # nothing, but only now the answer counts as read
            if not response.will_close and self._let_go():
                connections.keep(self._place, connection)
                connection = None
            self._parts.put(None)
        except TimeoutError:
            self._parts.put(EngineError(f"{self._server} does not answer within {PATIENCE:g} s"))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._parts.put(EngineError(f"{self._server} {_what_happened(error, has_begun)}"))
        finally:
            if connection is not None:
                connection.close()

    def _ask_again(self, connection: HTTPConnection, request: _Request) -> HTTPResponse | None:
        """On a connection that was kept; None where it turns out to be closed."""
        try:
            return self._response(connection, request)
        except ConnectionError:  # an end before the answer, among others
            connection.close()
            if self._closed:
                raise
            return None

    def _response(self, connection: HTTPConnection, request: _Request) -> HTTPResponse:
        with self._lock:
            if self._closed:
                raise ConnectionError("closed before it began")
            self._socket = connection.sock
        connection.request(*request)
        connections.acknowledge_at_once(connection)
        return connection.getresponse()

    def _let_go(self) -> bool:
        """The answer has been read: what follows on the connection is not ours. False where we have
        been closed meanwhile."""
        with self._lock:
            self._socket = None
            return not self._closed


def _what_happened(error: Exception, has_begun: bool) -> str:
    """To a connection, in words. A server that ends in the middle of an answer was reached."""
    if has_begun:
        return "broke off in the middle of its answer: try again"
    cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"cannot be reached: {cause}"


def _authorization(server: Place) -> dict[str, str]:
    key = find_key(str(server))
    if key is None:
        return {}
    if not server.secure and server.host not in ("localhost", "127.0.0.1", "::1"):
        log.warning("the key goes to %s unencrypted: give an https address", server)
    return {"Authorization": f"Bearer {key}"}
