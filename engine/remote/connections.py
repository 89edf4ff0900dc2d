"""Connections that are kept open between requests: a fill makes several, and typing makes many.

Servers close what is idle after a few seconds (uvicorn, and so vLLM, after five), so nothing older
is used again, nor anything that the other side has closed.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from functools import cache
from http.client import HTTPConnection, HTTPSConnection

IDLE = 4.0  # seconds
KEPT = 8  # for one server

# Whether an answer can be acknowledged at once, see below. Where it cannot, a connection to this
# machine is rather made anew, which costs next to nothing.
ACKNOWLEDGES = hasattr(socket, "TCP_QUICKACK")
LOOPBACK = ("localhost", "127.0.0.1", "::1")

Place = tuple[bool, str, int]  # whether it is https, host, port

_lock = threading.Lock()
_kept: dict[Place, list[tuple[HTTPConnection, float]]] = {}


def new(place: Place, patience: float) -> HTTPConnection:
    """Not connected yet. `patience`: seconds without a byte."""
    secure, host, port = place
    if secure:
        return HTTPSConnection(host, port, timeout=patience, context=_certificates())
    return HTTPConnection(host, port, timeout=patience)


def take(place: Place, patience: float) -> HTTPConnection | None:
    """One that is open, as far as can be seen."""
    while True:
        with _lock:
            kept = _kept.get(place)
            if not kept:
                return None
            connection, since = kept.pop()
        if time.monotonic() - since < IDLE and _is_open(connection):
            connection.sock.settimeout(patience)
            return connection
        connection.close()


def keep(place: Place, connection: HTTPConnection) -> None:
    """After the whole of an answer has been read."""
    if not ACKNOWLEDGES and place[1] in LOOPBACK:
        connection.close()
        return
    with _lock:
        kept = _kept.setdefault(place, [])
        kept.append((connection, time.monotonic()))
        oldest = kept.pop(0)[0] if len(kept) > KEPT else None
    if oldest is not None:
        oldest.close()


def acknowledge_at_once(connection: HTTPConnection) -> None:
    """A server that writes its headers and its body one after the other, without TCP_NODELAY, waits
    with the second until the first is acknowledged, which Linux puts off for 40 ms on a connection
    that is not new, and others longer."""
    if ACKNOWLEDGES:
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _is_open(connection: HTTPConnection) -> bool:
    """What can be read before anything is asked for is the end."""
    try:
        readable, _, _ = select.select([connection.sock], [], [], 0)
    except (OSError, ValueError):
        return False
    return not readable


@cache  # reading the system's certificates takes longer than many a fill
def _certificates() -> ssl.SSLContext:
    return ssl.create_default_context()
