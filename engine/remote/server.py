"""One server: requests to it, streams from it, and what its errors mean.

Only the address that the user gave is ever contacted: no proxy, no redirect is followed.
"""

from __future__ import annotations

import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from engine.api import BadRequest, Cancelled, EngineError, IsCancelled, ModelMissing
from engine.remote.key import find_key, forget_key, how_to_give_one

log = logging.getLogger("engine.remote")

PATIENCE = 60.0  # seconds without a byte
LOOK = 0.05  # seconds between two looks whether the fill is cancelled
TRIES = 3
LONGEST_PAUSE = 5.0  # what a server may ask us to wait; beyond that the user is told
ANSWER_LIMIT = 16 << 20


@dataclass(frozen=True, slots=True)
class Server:
    """An address taken apart. `model` is None where the user named none."""

    secure: bool
    host: str
    port: int
    path: str
    model: str | None

    @classmethod
    def at(cls, address: str) -> Server:
        """Raises ModelMissing when it is no address."""
        try:
            parts = urlsplit(address)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            raise ModelMissing(f"{address} is no address: {error}") from error
        if parts.username or parts.password:
            raise ModelMissing("an address with a key in it is seen by all: set INFILL_API_KEY")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise ModelMissing(f"{address} is no address: give http(s)://machine:port/v1")
        path = parts.path.rstrip("/") or "/v1"
        return cls(parts.scheme == "https", parts.hostname, port, path, parts.fragment or None)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def root(self) -> str:
        """Where vLLM's own endpoints are, beside OpenAI's."""
        return self.path.removesuffix("/v1")

    def ask(
        self, path: str, body: dict[str, Any] | None = None, cancelled: IsCancelled | None = None
    ) -> dict[str, Any]:
        """The JSON object that `path` gives. Raises an EngineError."""
        answer = b"".join(self.lines(path, body, cancelled))
        try:
            document = json.loads(answer)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise EngineError(f"{self} is no OpenAI-compatible server: check its address")
        return document

    def stream(
        self, path: str, body: dict[str, Any], cancelled: IsCancelled | None = None
    ) -> Iterator[dict[str, Any]]:
        """The events of a streamed answer, as they come."""
        for line in self.lines(path, {**body, "stream": True}, cancelled):
            field, _, value = line.strip().partition(b":")
            if field != b"data" or value.strip() == b"[DONE]":
                continue
            try:
                event = json.loads(value)
            except ValueError as error:
                raise EngineError(f"{self} sent what cannot be read: {error}") from error
            if not isinstance(event, dict):
                raise EngineError(f"{self} sent what cannot be read")
            if "error" in event:
                raise EngineError(f"{self} failed: {_said(json.dumps(event).encode())}")
            yield event

    def lines(
        self, path: str, body: dict[str, Any] | None, cancelled: IsCancelled | None
    ) -> Iterator[bytes]:
        """A busy server is asked again a few times, before its answer has begun."""
        for tries in range(1, TRIES + 1):
            exchange = Exchange(self, path, body)
            try:
                status, headers = exchange.begin(cancelled)
                if status == 200:
                    yield from exchange.lines(cancelled)
                    return
                said = b"".join(exchange.lines(cancelled))
            finally:
                exchange.close()
            pause = _pause(status, headers, tries)
            if pause is None:
                raise self._error(status, said)
            log.info("%s answered %d, and is asked again in %.1f s", self, status, pause)
            _wait(pause, cancelled)

    def _error(self, status: int, said: bytes) -> EngineError:
        why = _said(said)
        if status in (401, 403):
            forget_key()
            return EngineError(
                f"{self} wants a key, and not the one it got, if any ({status}):"
                f" {how_to_give_one(str(self))}"
            )
        if status == 404:
            return ModelMissing(f"{self} has no such model or address (404): {why}")
        if status == 429:
            return EngineError(f"{self} is busy (429): try again later")
        if status in (400, 413, 422):
            return BadRequest(f"{self} does not take the request ({status}): {why}")
        if 300 <= status < 400:
            return EngineError(f"{self} has moved ({status}): give the address it moved to")
        if status >= 500:
            return EngineError(f"{self} fails ({status}): {why}")
        return EngineError(f"{self} answers {status}: {why}")


class Exchange:
    """One request, on a thread of its own, so that whoever waits can look away and cancel."""

    def __init__(self, server: Server, path: str, body: dict[str, Any] | None) -> None:
        self._server = server
        kind = HTTPSConnection if server.secure else HTTPConnection
        self._connection = kind(server.host, server.port, timeout=PATIENCE)
        self._socket: socket.socket | None = None
        self._closed = False
        self._parts: SimpleQueue[Any] = SimpleQueue()
        headers = {"Accept": "application/json", "Connection": "close", **_authorization(server)}
        data = None
        if body is not None:
            data = json.dumps(body).encode("ascii")
            headers["Content-Type"] = "application/json"
        arguments = ("GET" if data is None else "POST", path, data, headers)
        threading.Thread(target=self._run, args=arguments, name="remote", daemon=True).start()

    def begin(self, cancelled: IsCancelled | None) -> tuple[int, dict[str, str]]:
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
        """The server sees it, and stops."""
        self._closed = True
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()

    def _next(self, cancelled: IsCancelled | None) -> Any:
        while True:
            if cancelled is not None and cancelled():
                self.close()
                raise Cancelled("cancelled")
            try:
                part = self._parts.get(timeout=LOOK)
            except Empty:
                continue
            if isinstance(part, EngineError):
                raise part
            return part

    def _run(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> None:
        try:
            self._connection.connect()
            self._socket = self._connection.sock
            if self._closed:
                self.close()
                return
            self._connection.request(method, path, data, headers)
            response = self._connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            self._parts.put((response.status, told))
            for line in response:
                self._parts.put(line)
            if response.length:  # it announced more than came
                raise http.client.IncompleteRead(b"")
            self._parts.put(None)
        except TimeoutError:
            self._parts.put(EngineError(f"{self._server} does not answer within {PATIENCE:g} s"))
        except (OSError, http.client.HTTPException, ValueError) as error:
            cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
            self._parts.put(EngineError(f"{self._server} cannot be reached: {cause}"))
        finally:
            self._connection.close()


def _authorization(server: Server) -> dict[str, str]:
    key = find_key(str(server))
    if key is None:
        return {}
    if not server.secure and server.host not in ("localhost", "127.0.0.1", "::1"):
        log.warning("the key goes to %s unencrypted: give an https address", server)
    return {"Authorization": f"Bearer {key}"}


def _pause(status: int, headers: dict[str, str], tries: int) -> float | None:
    """Seconds until it makes sense to ask again; None where it makes none."""
    if tries == TRIES or status not in (429, 500, 502, 503, 504):
        return None
    asked = headers.get("retry-after", "")
    pause = float(asked) if asked.isdigit() else 0.25 * 2.0 ** (tries - 1)
    return pause if pause <= LONGEST_PAUSE else None


def _wait(seconds: float, cancelled: IsCancelled | None) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if cancelled is not None and cancelled():
            raise Cancelled("cancelled")
        time.sleep(min(left, LOOK))


def _said(answer: bytes) -> str:
    """What a server says of its error, cut to a line."""
    try:
        document = json.loads(answer)
        said = document.get("error", document)
        said = said.get("message", said) if isinstance(said, dict) else said
    except (ValueError, AttributeError):
        said = answer.decode("utf-8", "replace")
    words = " ".join(str(said).split())
    return words[:300] or "it gives no reason"
