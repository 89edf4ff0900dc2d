"""Find the host at an address, or start it. However many try at once, one process is started."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from engine.api import EngineError, HostLost
from engine.client import wire
from engine.client.address import Address, Loaded
from engine.client.channel import Channel, NoHost, Silent, dial, remove_traces
from engine.client.greeting import say_hello
from engine.client.habits import Habits
from engine.client.lock import FileLock
from engine.client.pulse import STILL

log = logging.getLogger("engine.connect")

LAST_WORDS = 12
IS_SERVED_ALREADY = 75  # the exit status of a host that finds another one; EX_TEMPFAIL


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client waits, in seconds, before it takes a host for hanging.

    `start`: until a new process listens, without its model. `word`: for a word of it, the first or
    another. `still`: for a word when it shows no sign of life. `cancel`: beyond the host's own
    patience with a fill that does not stop.
    """

    start: float = 60.0
    word: float = 20.0
    still: float = STILL
    cancel: float = 5.0


@dataclass(frozen=True, slots=True)
class Met:
    """A host that has greeted us. `process` is there if it is our child."""

    channel: Channel
    host: wire.Message
    process: subprocess.Popen[bytes] | None = None


def find_or_start(
    address: Address,
    loaded: Loaded,
    habits: Habits,
    window: str,
    patience: Patience,
    is_wanted: Callable[[], bool],
) -> Met:
    """Raises EngineError with what keeps us from it. Gives up when it is not wanted any more."""
    deadline = time.monotonic() + patience.start
    starting = FileLock(address.start)
    introduction = {"window": window, "habits": asdict(habits)}

    def meet() -> Met | None:
        return _meet(address, introduction, patience)

    try:
        while is_wanted():
            if met := meet():
                return met
            if not starting.take():
                time.sleep(0.02)
            elif met := meet() or _start(address, loaded, habits, meet, deadline):
                return met
            else:
                starting.release()
            if time.monotonic() > deadline:
                raise HostLost(
                    f"no engine process answers at {address.socket}, and none can take its place:"
                    " run `infill-ls engine stop`"
                )
    except OSError as error:
        raise EngineError(
            f"the engine's folder {address.folder} cannot be used ({error.strerror}): fix that,"
            " or set INFILL_RUNTIME_DIR to a folder of your own"
        ) from error
    finally:
        starting.remove()
    raise HostLost("the engine is closed")


def _meet(address: Address, introduction: dict[str, Any], patience: Patience) -> Met | None:
    """None when there is nobody, or nobody any more."""
    try:
        channel = dial(address, patience.word, patience.still)
    except NoHost:
        return None
    except Silent as error:
        _end_hanging(address, error.pid)
        return None
    except ValueError as error:
        _remove_impostor(address, error)
        return None
    try:
        host = say_hello(channel, "window", **introduction)
        channel.socket.settimeout(None)
    except BaseException as error:
        channel.close()
        match error:
            case NoHost():
                return None
            case TimeoutError():
                _end_hanging(address, channel.pid)
                return None
            case ValueError():
                _remove_impostor(address, error)
                return None
        raise
    return Met(channel, host)


def _end_hanging(address: Address, pid: int | None) -> None:
    """A host whose event loop does not say hello hangs as a whole: for everybody."""
    if not kill(pid):
        raise HostLost(f"the engine process at {address.socket} does not answer: end it by hand")
    log.warning("the engine process %d does not answer and is ended", pid)


def kill(pid: int | None) -> bool:
    """End a process that listens to nothing else. False where it is not known, or ourselves."""
    if pid is None or pid == os.getpid():
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    return True


def _remove_impostor(address: Address, why: Exception) -> None:
    lock = FileLock(address.lock)
    if not lock.take():
        raise HostLost(
            f"the engine process at {address.socket} answers nonsense ({why}): run"
            " `infill-ls engine stop`"
        ) from why
    log.warning("what answers at %s is no engine, and is replaced", address.socket)
    remove_traces(address)
    lock.release()


def _start(
    address: Address,
    loaded: Loaded,
    habits: Habits,
    meet: Callable[[], Met | None],
    deadline: float,
) -> Met | None:
    """None when another host was there first, and is about to answer or to end."""
    log_starts = log_size(address)
    output = _open_log(address)
    try:
        process = subprocess.Popen(
            host_command(address, loaded, habits),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_environment(),
            cwd=address.folder,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise HostLost(f"the engine process cannot be started: {error}") from error
    finally:
        if not isinstance(output, int):
            output.close()
    while True:
        met = meet()
        if met is not None:
            return Met(met.channel, met.host, process)
        status = process.poll()
        if status == IS_SERVED_ALREADY:
            return None
        if status is not None:
            words = last_words(address, log_starts)
            raise HostLost(f"the engine process {cause_of_death(status)} as it started{words}")
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise HostLost(f"the engine process does not start{last_words(address, log_starts)}")
        time.sleep(0.01)


def host_command(address: Address, loaded: Loaded, habits: Habits) -> list[str]:
    command = [sys.executable, "-P", "-m", "engine.host", "--model", loaded.model]
    command += ["--at", str(address.folder / address.name)]
    if loaded.device is not None:
        command += ["--device", loaded.device]
    if loaded.factory is not None:
        command += ["--factory", loaded.factory]
    unload_after = "never" if habits.unload_after is None else str(habits.unload_after)
    command += ["--linger", str(habits.linger), "--unload-after", unload_after]
    return [*command, "--cancel-patience", str(habits.cancel_patience)]


def _open_log(address: Address) -> IO[bytes] | int:
    try:
        return address.log.open("ab")
    except OSError as error:
        log.warning("the engine will have no log: %s", error)
        return subprocess.DEVNULL


def log_size(address: Address) -> int:
    try:
        return address.log.stat().st_size
    except OSError:
        return 0


def last_words(address: Address, since: int) -> str:
    """The end of what a host logged that began to at `since`, to put behind a message."""
    try:
        with address.log.open("rb") as file:
            if address.log.stat().st_size >= since:  # else it was cut off to keep it small
                file.seek(max(since, address.log.stat().st_size - (1 << 16)))
            tail = file.read(1 << 16)
    except OSError:
        return ""
    lines = tail.decode("utf-8", "replace").splitlines()[-LAST_WORDS:]
    return "\nits last words:\n" + "\n".join(lines) if lines else ""


def _environment() -> dict[str, str]:
    """Ours, so that the host imports this very `engine`.

    `-P` keeps the working folder, a user's project that may well hold an `engine` of its own, off
    the host's path; a source tree that is not installed is therefore named.
    """
    root = Path(__file__).resolve().parents[2]
    if root.name in ("site-packages", "dist-packages"):
        return dict(os.environ)
    path = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def cause_of_death(status: int) -> str:
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
