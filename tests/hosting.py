"""Real host processes with scripted engines (tests/scripted.py), and the journal of what they did.

The fixture `scripted` is in tests/conftest.py.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from engine.api import FillRequest
from engine.client import wire
from engine.client.address import Address, Loaded, address_of
from engine.client.channel import Listener, listen, prove
from engine.client.connect import HostEngine
from engine.client.find import Patience
from engine.client.habits import Habits
from engine.client.lock import FileLock

FACTORY = "tests.scripted:load"
HERE = FillRequest(("here ", "\n"))
SLOW = FillRequest(("slow ", "\n"))
STEPS = {"after": "slow ", "steps": 500, "delay": 0.02}


class Scripted:
    """One script on disk, and the windows of its host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = folder / "script.json"
        self.journal = folder / "journal"
        self.engines: list[HostEngine] = []

    def write(self, *fills: dict[str, Any], **script: Any) -> None:
        content = {"fills": fills, "journal": str(self.journal), **script}
        self.script.write_text(json.dumps(content))

    def connect(self, *fills: dict[str, Any], **script: Any) -> HostEngine:
        """The first window of a script."""
        self.write(*fills, **script)
        return self.window()

    def window(
        self, habits: Habits | None = None, patience: Patience | None = None, **loaded: Any
    ) -> HostEngine:
        """One more. What it does not say, the tests' host ends with its last window."""
        given = Loaded(**{"model": str(self.script), "factory": FACTORY, **loaded})
        engine = HostEngine(given, habits or Habits(linger=0.0), patience)
        self.engines.append(engine)
        return engine

    @property
    def address(self) -> Address:
        return address_of(Loaded(str(self.script), None, FACTORY))

    def events(self, *names: str) -> list[dict[str, Any]]:
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [event for event in map(json.loads, lines) if not names or event["event"] in names]

    def wait_for(self, event: str, count: int = 1) -> None:
        wait_until(lambda: len(self.events(event)) >= count, f"{count} x {event}")

    def end(self) -> None:
        """No process may outlive its windows."""
        for engine in self.engines:
            engine.close()
        for pid in {event["pid"] for event in self.events()} - {os.getpid()}:
            with suppress(AssertionError):
                wait_until(lambda pid=pid: not is_running(pid), "its end")  # type: ignore[misc]
                continue
            os.kill(pid, 9)
            raise AssertionError(f"host {pid} outlived its windows")


@contextmanager
def impostor(address: Address, *says: bytes, is_host: bool) -> Iterator[None]:
    """Something else at a host's address. `is_host`: it holds the lock and knows the secret, as a
    sick host would."""
    lock = FileLock(address.lock)
    assert lock.take()
    listener = listen(address)
    if not is_host:
        lock.release()

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.socket.accept()
                reader = connection.makefile("rb")
                if is_host:
                    _prove(listener, connection, reader)
                for each in says:
                    reader.readline()
                    connection.sendall(each)
                connection.shutdown(socket.SHUT_RDWR)
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listener.socket.shutdown(socket.SHUT_RDWR)
        listener.socket.close()
        thread.join()
        lock.release()


def _prove(listener: Listener, connection: socket.socket, reader: BinaryIO) -> None:
    if listener.secret is None:
        return
    asked = wire.decode_line(reader.readline())
    proof = prove(listener.secret, "host", asked["params"]["nonce"])
    connection.sendall(wire.encode_line({"result": {"proof": proof, "nonce": ""}}))
    reader.readline()


def hello(**changed: Any) -> bytes:
    """What a host answers to a window's hello."""
    host = {"protocol": wire.PROTOCOL, "version": "0.0.1", "pid": os.getpid(), **changed}
    return wire.encode_line({"id": 0, "result": host})


def wait_until(holds: Callable[[], bool], what: str, patience: float = 20) -> None:
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """A zombie is not: it only waits for its parent to look."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:
        return not Path("/proc/self").exists()
    return state != "Z"
