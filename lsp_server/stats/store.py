"""The counters of all windows and days in one private file, added to by whoever has some."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lsp_server.stats.counters import Counters

log = logging.getLogger(__name__)

VERSION = 1
PATIENCE = 1.0


def state_folder() -> Path:
    """Where this system keeps what a user's programs remember."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin" and not os.environ.get("XDG_STATE_HOME"):
        base = Path.home() / "Library" / "Application Support"
    else:
        base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "infill-ls"


class Store:
    """Nothing here raises anything but OSError, and a file that cannot be read is set aside."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        try:
            return self._folder or state_folder()
        except RuntimeError as error:  # a user without a home
            raise FileNotFoundError(f"there is no folder for state: {error}") from error

    @property
    def path(self) -> Path:
        return self.folder / "stats.json"

    def load(self) -> tuple[Counters, str | None]:
        """The counters, and the day since which they count; both empty where there are none."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return Counters(), None
        except UnicodeDecodeError as error:
            return self._set_aside(error)
        try:
            data = json.loads(text)
            if not isinstance(data, dict) or data.get("version") != VERSION:
                raise ValueError("it is of another version")
            return Counters.from_json(data["kinds"]), str(data["since"])
        except (ValueError, KeyError, RecursionError) as error:
            return self._set_aside(error)

    def add(self, counters: Counters) -> None:
        with self._locked():
            total, since = self.load()
            total.add(counters)
            self._write(total, since or time.strftime("%Y-%m-%d"))

    def reset(self) -> bool:
        """Whether there was anything to forget."""
        if not self.folder.is_dir():
            return False
        with self._locked():
            existed = self.path.exists()
            self.path.unlink(missing_ok=True)
        return existed

    def _write(self, counters: Counters, since: str) -> None:
        """All of it or nothing, also where the disk is full."""
        import tempfile  # a tenth of what the server may take to start

        data = {"version": VERSION, "since": since, "kinds": counters.as_json()}
        file, temporary = tempfile.mkstemp(prefix=".stats.", dir=self.folder)  # mode 0600
        try:
            with os.fdopen(file, "w", encoding="utf-8") as out:
                json.dump(data, out, indent=1)
            Path(temporary).replace(self.path)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        from engine.client.lock import FileLock

        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(self.folder / "stats.lock")
        deadline = time.monotonic() + PATIENCE
        while not lock.take():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{lock} is held by another process")
            time.sleep(0.01)
        try:
            yield
        finally:
            lock.release()

    def _set_aside(self, error: Exception) -> tuple[Counters, None]:
        aside = self.path.with_suffix(".broken")
        log.warning("%s cannot be read (%s): it is now %s", self.path, error, aside.name)
        with suppress(OSError):
            self.path.replace(aside)
        return Counters(), None
