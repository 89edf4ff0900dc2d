"""The socket between a host and its clients, and the proof that both belong to the same user.

A unix socket tells who is at the other end. Where there is none (Windows, or a file system that
cannot hold one: set INFILL_TRANSPORT=tcp), a loopback port and a secret in the private folder do:
each end proves that it has read the secret before the other says anything.

By hand: `multiprocessing.connection` asks no peer's user, and its handshake has no timeout.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import selectors
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engine.api import HostLost
from engine.client import wire
from engine.client.address import Address
from engine.client.lock import FileLock
from engine.client.pulse import LOOK, STILL, Pulse

BACKLOG = 128
LOOPBACK = "127.0.0.1"


class NoHost(Exception):
    """Nobody listens at the address, or who did has just gone."""


class Silent(TimeoutError):
    """Somebody is there and does not answer: the process `pid`, where that is known."""

    def __init__(self, pid: int | None) -> None:
        super().__init__("no answer")
        self.pid = pid


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket. `secret` is None where the kernel vouches for the peers."""

    socket: socket.socket
    secret: bytes | None


@dataclass(frozen=True, slots=True)
class Channel:
    """A connection to a host. `pid` is the kernel's word for who listens, or the host's own."""

    socket: socket.socket
    reader: BinaryIO
    pid: int | None
    patience: float
    still: float

    def send(self, message: wire.Message) -> None:
        self.socket.sendall(wire.encode_line(message))

    def receive(self) -> wire.Message:
        """The next message. Raises NoHost at the end, ValueError for what is no message."""
        line = self.reader.readline(wire.LINE_LIMIT)
        if not line:
            raise NoHost("the connection was closed")
        return wire.decode_line(line)

    def hear(self) -> wire.Message:
        """`receive`, for what a host answers at once. Raises TimeoutError after `patience` seconds,
        after `still` seconds when it shows no sign of life either."""
        pulse = Pulse(self.pid)
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            while not selector.select(LOOK):
                pulse.look()
                if pulse.silent >= self.patience or pulse.still >= self.still:
                    raise TimeoutError("no answer")
        return self.receive()

    def close(self) -> None:
        """Wakes up whoever reads from it on another thread."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def has_unix_sockets() -> bool:
    return hasattr(socket, "AF_UNIX") and os.environ.get("INFILL_TRANSPORT") != "tcp"


def listen(address: Address) -> Listener:
    """Whoever calls holds the address's lock: what is left of an earlier host is removed."""
    remove_traces(address)
    if has_unix_sockets():
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(address.socket))
        address.socket.chmod(0o600)
        listener.listen(BACKLOG)
        return Listener(listener, None)
    listener = socket.socket(socket.AF_INET)
    listener.bind((LOOPBACK, 0))
    listener.listen(BACKLOG)
    secret = secrets.token_hex(32)
    meeting = {"port": listener.getsockname()[1], "secret": secret, "pid": os.getpid()}
    fresh = address.port.with_suffix(".port-new")
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "w") as out:
        json.dump(meeting, out)
    fresh.replace(address.port)
    return Listener(listener, bytes.fromhex(secret))


def remove_traces(address: Address) -> None:
    for path in (address.socket, address.port):
        path.unlink(missing_ok=True)


def dial(address: Address, patience: float, still: float = STILL) -> Channel:
    """Raises NoHost when nobody is there, Silent when whoever is does not answer, ValueError when
    that is no host, HostLost when it is somebody else's process."""
    if has_unix_sockets():
        return _dial_unix(address.socket, patience, still)
    return _dial_loopback(address.port, patience, still)


def _dial_unix(path: Path, patience: float, still: float) -> Channel:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(patience)
        connection.connect(str(path))
        uid, pid = peer(connection)
        if uid is not None and uid != os.geteuid():
            raise HostLost(f"{path} is served by another user's process: remove it")
    except (TimeoutError, BlockingIOError) as error:  # its backlog is full: it accepts nobody
        connection.close()
        raise Silent(None) from error
    except OSError as error:
        connection.close()
        raise NoHost(str(error)) from error
    except BaseException:
        connection.close()
        raise
    return Channel(connection, connection.makefile("rb"), pid, patience, still)


def _dial_loopback(path: Path, patience: float, still: float) -> Channel:
    try:
        meeting = json.loads(path.read_text())
        port, secret, pid = (
            int(meeting["port"]),
            bytes.fromhex(meeting["secret"]),
            int(meeting["pid"]),
        )
        connection = socket.create_connection((LOOPBACK, port), patience)
    except TimeoutError as error:
        raise Silent(None) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoHost(str(error)) from error
    channel = Channel(connection, connection.makefile("rb"), pid, patience, still)
    try:
        _prove_each_other(channel, secret)
    except TimeoutError as error:
        channel.close()
        raise Silent(_holder(path, pid)) from error
    except OSError as error:
        channel.close()
        raise NoHost(str(error)) from error
    except BaseException:
        channel.close()
        raise
    return channel


def _prove_each_other(channel: Channel, secret: bytes) -> None:
    """Raises ValueError when whoever has the port now does not know the secret."""
    mine = secrets.token_hex(16)
    channel.send({"method": "prove", "params": {"nonce": mine}})
    try:
        answer = channel.hear()["result"]
        proof, theirs = answer["proof"], str(answer["nonce"])
    except (KeyError, TypeError) as error:
        raise ValueError("it proves nothing") from error
    if not is_proof(secret, "host", mine, proof):
        raise ValueError("it does not know the secret")
    channel.send({"method": "proof", "params": {"proof": prove(secret, "client", theirs)}})


def _holder(path: Path, pid: int) -> int | None:
    """`pid` if it is still the host that wrote it: then it holds the lock."""
    lock = FileLock(path.with_suffix(".lock"))
    if lock.take():
        lock.release()
        return None
    return pid


def prove(secret: bytes, who: str, nonce: str) -> str:
    """What only a holder of `secret` can say to `nonce`, and only in the role of `who`."""
    return hmac.new(secret, f"{who} {nonce}".encode(), hashlib.sha256).hexdigest()


def is_proof(secret: bytes, who: str, nonce: str, proof: object) -> bool:
    return isinstance(proof, str) and hmac.compare_digest(
        prove(secret, who, nonce).encode(), proof.encode("utf-8", "replace")
    )


def peer(connection: socket.socket) -> tuple[int | None, int | None]:
    """User and process id at the other end of a unix socket, as far as this system reports them."""
    if sys.platform == "linux":
        size = struct.calcsize("3i")
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        pid, uid, _ = struct.unpack("3i", credentials)
        return uid, pid or None  # 0: a process of another container
    if sys.platform == "darwin":
        # sys/un.h: SOL_LOCAL 0, LOCAL_PEERCRED 1 (a struct xucred: version, uid, ...),
        # LOCAL_PEERPID 2
        _, uid = struct.unpack_from("Ii", connection.getsockopt(0, 1, 76))
        (pid,) = struct.unpack("i", connection.getsockopt(0, 2, 4))
        return uid, pid
    return None, None  # the folder's mode alone keeps others out
