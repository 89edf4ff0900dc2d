"""A lock that a process holds by having a file open: it cannot outlive the process."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """Held from a `take` that said True until `release`, or the end of the process.

    Another FileLock on the same path is another holder, in the same process too.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def take(self) -> bool:
        """False when somebody else holds it. Raises OSError when there can be no such file."""
        while self._file is None:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                _lock(file)
            except OSError:
                os.close(file)
                return False
            if self._is_at_path(file):
                self._file = file
            else:
                os.close(file)  # its holder removed it while we waited: the next one has the name
        return True

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def remove(self) -> None:
        """Release it and tidy the file away. On Windows an open file stays: it does no harm."""
        if self._file is not None:
            with suppress(OSError):
                self._path.unlink()
            self.release()

    def _is_at_path(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self._path.stat())
        except FileNotFoundError:
            return False
