"""One server: its address, requests to it, and streams from it.

Only the address that the user gave is ever contacted: no proxy, no redirect is followed.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from engine.api import Cancelled, EngineError, IsCancelled, ModelMissing
from engine.remote.exchange import LOOK, Exchange
from engine.remote.refusal import BUSY, error_of_event, error_of_status

log = logging.getLogger("engine.remote")

TRIES = 3
LONGEST_PAUSE = 5.0  # what a server may ask us to wait; beyond that the user gets the reason


@dataclass(frozen=True, slots=True)
class Server:
    """An address taken apart: `http(s)://machine:port/path#model&fill=way`.

    `model` and `fill` (how to ask it, see engine/remote/engine.py) are None where the user named
    none.
    """

    secure: bool
    host: str
    port: int
    path: str
    model: str | None = None
    fill: str | None = None

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
        model, fill = _fragment(parts.fragment)
        return cls(parts.scheme == "https", parts.hostname, port, path, model, fill)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def root(self) -> str:
        """Where a runtime's own endpoints are, beside OpenAI's."""
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
        if document.get("error"):
            raise error_of_event(str(self), document)
        return document

    def stream(
        self, path: str, body: dict[str, Any], cancelled: IsCancelled | None = None
    ) -> Iterator[dict[str, Any]]:
        """The events of a streamed answer, as they come: server-sent events, or a JSON object a
        line. Comments (keepalives) and `[DONE]` are left out; an error event is raised as such.
        """
        data = b""
        for line in self.lines(path, {**body, "stream": True}, cancelled):
            line = line.strip()
            if not line and data:
                break
            if line.startswith(b"{"):
                value = line
            else:
                field, _, value = line.partition(b":")
                if field not in (b"data", b"error"):
                    continue
            # An event may have several lines of data; it is whole when it can be read.
            data = data + b"\n" + value if data else value.strip()
            if data in (b"[DONE]", b""):
                data = b""
                continue
            try:
                event = json.loads(data)
            except ValueError:
                continue
            data = b""
            if not isinstance(event, dict):
                raise EngineError(f"{self} sent what cannot be read")
            if event.get("error") or event.get("object") == "error" or line.startswith(b"error:"):
                raise error_of_event(str(self), event)
            yield event
        if data:
            raise EngineError(f"{self} sent what cannot be read")

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
                answer = b"".join(exchange.lines(cancelled))
            finally:
                exchange.close()
            pause = _pause(status, headers, tries)
            if pause is None:
                raise error_of_status(str(self), status, answer)
            log.info("%s answered %d, and is asked again in %.1f s", self, status, pause)
            _wait(pause, cancelled)


def _fragment(fragment: str) -> tuple[str | None, str | None]:
    """`model`, `model&fill=way` or `fill=way`."""
    model, _, options = fragment.partition("&")
    if model.startswith("fill="):
        model, options = "", fragment
    given = parse_qs(options, keep_blank_values=True)
    unknown = given.keys() - {"fill"}
    if unknown:
        raise ModelMissing(f"an address has no option {', '.join(sorted(unknown))}: only `fill`")
    return unquote(model) or None, given.get("fill", [None])[0]


def _pause(status: int, headers: dict[str, str], tries: int) -> float | None:
    """Seconds until it makes sense to ask again; None where it makes none."""
    if tries == TRIES or status not in BUSY:
        return None
    wanted = headers.get("retry-after", "")
    pause = float(wanted) if wanted.isdigit() else 0.25 * 2.0 ** (tries - 1)
    return pause if pause <= LONGEST_PAUSE else None


def _wait(seconds: float, cancelled: IsCancelled | None) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if cancelled is not None and cancelled():
            raise Cancelled("cancelled")
        time.sleep(min(left, LOOK))
