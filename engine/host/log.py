"""What the host has to say: to its log, which is its stderr, and to its windows."""

from __future__ import annotations

import io
import logging
import os
import stat
from collections.abc import Callable
from contextlib import suppress

from engine.client import wire

LARGEST = 4 << 20


class Forgiving(io.TextIOBase):
    """Stderr that a full disk does not turn into an error of whoever prints."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            os.write(2, text.encode("utf-8", "backslashreplace"))
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2


class ToWindows(logging.Handler):
    """What a user should know reaches the windows' logs too."""

    def __init__(self, broadcast: Callable[[wire.Message], None]) -> None:
        super().__init__(logging.WARNING)
        self._broadcast = broadcast

    def emit(self, record: logging.LogRecord) -> None:
        params = {"level": record.levelno, "message": record.getMessage()}
        self._broadcast({"method": "log", "params": params})


def size() -> int:
    """Of the file that stderr is; 0 when it is none."""
    with suppress(OSError):
        found = os.fstat(2)
        if stat.S_ISREG(found.st_mode):
            return found.st_size
    return 0


def keep_small() -> None:
    if size() > LARGEST:
        with suppress(OSError):
            os.ftruncate(2, 0)
