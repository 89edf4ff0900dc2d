"""Running code that a model wrote, together with a suite's tests. Off unless asked for.

Each program gets a process of its own: no arguments, no environment, an empty folder to work in,
limits on time, memory, file size and processes, and no network where the system can take it away
(Linux: a user namespace of its own). That keeps accidents in; it is no wall against a determined
attack. Use a container or a virtual machine for data you do not trust.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass

OUTPUT = 2000  # characters kept of what a program prints


@dataclass(frozen=True, slots=True)
class Limits:
    seconds: float = 10.0
    memory: int = 1 << 30
    file_size: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """`passed`, or why not: "failed", "timed out", and what the program printed last."""

    passed: bool
    reason: str
    output: str = ""


# Runs in the child around the program. Limits that a system does not have are skipped. The token
# that proves a program's end is left unread in the pipe until then, behind a descriptor of no fixed
# number: it is in no argument, no environment and no memory of the process that runs the program.
AROUND = """\
import os, sys
def prepare(seconds, memory, file_size):
    try:
        import resource
    except ImportError:
        return
    wanted = {"RLIMIT_CPU": seconds, "RLIMIT_AS": memory, "RLIMIT_DATA": memory,
              "RLIMIT_FSIZE": file_size, "RLIMIT_NOFILE": 64, "RLIMIT_CORE": 0}
    for name, value in wanted.items():
        try:
            resource.setrlimit(getattr(resource, name), (value, value))
        except (AttributeError, ValueError, OSError):
            pass
    try:
        os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
    except (AttributeError, OSError):
        import socket
        def refuse(*_, **__):
            raise OSError("there is no network here")
        socket.socket = socket.create_connection = refuse
    try:
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    except (AttributeError, ValueError, OSError):
        pass
def read(descriptor, size):
    parts = []
    while size and (part := os.read(descriptor, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
def main(size):
    source = read(0, size)
    unread = os.dup2(0, 32 + os.urandom(1)[0] % 31, inheritable=False)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    exec(compile(source, "program", "exec"), {"__name__": "__main__"})
    sys.stdout.flush()
    os.write(1, read(unread, 1 << 10))
arguments = list(map(int, sys.argv[1:]))
del sys.argv[1:]
prepare(*arguments[:3])
main(arguments[3])
"""


def run(program: str, limits: Limits | None = None) -> Outcome:
    """Run a Python program to its end: right when it ends without an error, and by itself."""
    limits = limits or Limits()
    source = program.encode("utf-8", "replace")
    token = os.urandom(16).hex()  # a program that leaves early, by os._exit(0), has not read it
    numbers = (int(limits.seconds) + 1, limits.memory, limits.file_size, len(source))
    command = [sys.executable, "-I", "-S", "-c", AROUND, *map(str, numbers)]
    with tempfile.TemporaryDirectory(prefix="infill-eval-") as folder:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"PATH": os.defpath, "PYTHONHASHSEED": "0", "HOME": folder},
            start_new_session=True,
        )
        try:
            out, _ = process.communicate(source + token.encode(), limits.seconds)
        except subprocess.TimeoutExpired:
            return Outcome(False, "timed out")
        finally:
            _end(process)
    output = out.decode("utf-8", "replace").strip()
    passed = process.returncode == 0 and output.endswith(token)
    return Outcome(passed, "passed" if passed else "failed", output.removesuffix(token)[-OUTPUT:])


def _end(process: subprocess.Popen[bytes]) -> None:
    """The process and whatever it has started."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
