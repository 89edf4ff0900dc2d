"""Whether another process still runs: the editor, with which the server ends."""

from __future__ import annotations

import asyncio
import os
import sys

INTERVAL = 2.0  # seconds


async def ended(pid: int) -> bool:
    """Returns True when process `pid` has ended; False, at once, where there is none to begin with.

    A server in a container has its own process ids, and the editor's is none of them.
    """
    if not is_running(pid):
        return False
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):  # another system, or an old kernel
        while is_running(pid):
            await asyncio.sleep(INTERVAL)
        return True
    try:
        gone = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(descriptor)
    finally:
        os.close(descriptor)
    return True


def is_running(pid: int) -> bool:
    if pid <= 0:
        return False
    if sys.platform == "win32":
        return _is_running_on_windows(pid)
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def _is_running_on_windows(pid: int) -> bool:
    """`os.kill` would end the process there."""
    import ctypes

    kernel: object = getattr(ctypes, "windll").kernel32  # noqa: B009 (mypy runs on Linux)
    synchronize, still_waiting = 0x00100000, 0x102
    handle = kernel.OpenProcess(synchronize, False, pid)  # type: ignore[attr-defined]
    if not handle:
        return False
    try:
        return bool(kernel.WaitForSingleObject(handle, 0) == still_waiting)  # type: ignore[attr-defined]
    finally:
        kernel.CloseHandle(handle)  # type: ignore[attr-defined]
