"""`python -m lsp_server.index FOLDER`: keep the index of a folder, while standard input is open.

What it does it reports as JSON lines on standard output:

    {"state": "indexing", "done": N, "of": N}     files read, of those that are new or changed
    {"state": "ready", "files": N, "read": N, "gone": N, "seconds": S}
    {"state": "failed", "reason": ...}            it goes on with what it has, and tries again

What it hears on standard input, also as JSON lines, is which files have changed, by their paths
below the folder. They are read at once, and found at the next look at all files where nobody says
so. Where they are too many to be named, that look comes soon.

    {"changed": [PATH, ...]}
    {"changed": true}

One process at a time writes an index; another waits until that one has ended.
"""

from __future__ import annotations

import json
import os
import queue
import sqlite3
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.client.lock import FileLock
from lsp_server.index import database
from lsp_server.index.listing import Unlisted
from lsp_server.index.update import Updated, update, update_files

Changed = queue.SimpleQueue[str]

NICENESS = 15
# Seconds from the end of one look at all files to the next: at least this, and so many times as
# long as the look took.
LEAST_PAUSE = 30.0
PAUSES = 50
AFTER_FAILURE = 300.0
SETTLE = 0.2  # seconds: who saves all files says so of one after the other
MOST_SAID = 2000  # files
SOONER = 0.1  # of the pause is left before a look at all files, where many have changed
MANY = ""  # in the place of paths
FIRST = 2.0  # seconds: an editor that opens has other things to do
STALE = 60 * 86400  # seconds after which an index that nobody has used is removed


def main(arguments: list[str]) -> None:
    root = Path(arguments[0])
    changed: Changed = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(changed,), daemon=True).start()
    with suppress(AttributeError, OSError):  # Windows has none
        os.nice(NICENESS)
    time.sleep(FIRST)
    _remove_stale(database.path_of(root))
    while True:
        try:
            pause = keep(root)
        except (OSError, sqlite3.Error, Unlisted) as error:
            tell(state="failed", reason=reason_of(error, root))
            pause = AFTER_FAILURE
        follow(root, changed, pause)


def follow(root: Path, changed: Changed, pause: float) -> None:
    """Read what is said to have `changed`, for `pause` seconds; where that is so much that a look
    at all files takes no longer, for a part of them."""
    end = time.monotonic() + pause
    while (left := end - time.monotonic()) > 0:
        try:
            paths = [changed.get(timeout=left)]
        except queue.Empty:
            return
        time.sleep(SETTLE)
        with suppress(queue.Empty):
            while True:
                paths.append(changed.get_nowait())
        if MANY in paths or len(paths) > MOST_SAID:
            end = min(end, time.monotonic() + SOONER * pause)
            continue
        try:
            keep_some(root, paths)
        except (OSError, sqlite3.Error, Unlisted) as error:
            tell(state="failed", reason=reason_of(error, root))


def keep_some(root: Path, paths: list[str]) -> None:
    """Bring the index up to date with some files. Raises OSError, sqlite3.Error and Unlisted."""
    path = database.path_of(root)
    lock = FileLock(path.with_suffix(".lock"))
    if not path.exists() or not lock.take():
        return  # who builds it, or brings it up to date, finds them too
    try:
        connection = database.open_to_write(path)
        try:
            update_files(connection, root, paths)
        finally:
            connection.close()
    finally:
        lock.release()


def keep(root: Path) -> float:
    """Bring the index up to date once; how long to wait until the next time. Raises OSError,
    sqlite3.Error and Unlisted."""
    path = database.path_of(root)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(path.with_suffix(".lock"))
    if not lock.take():
        return LEAST_PAUSE
    try:
        connection = database.open_to_write(path)
        try:
            done = update(
                connection, root, lambda done, of: tell(state="indexing", done=done, of=of)
            )
        finally:
            connection.close()
    finally:
        lock.release()
    tell_of(done)
    return max(LEAST_PAUSE, PAUSES * done.seconds)


def tell_of(done: Updated) -> None:
    tell(
        state="ready",
        files=done.files,
        read=done.read,
        gone=done.gone,
        seconds=round(done.seconds, 3),
    )


def reason_of(error: Exception, root: Path) -> str:
    """For the user: the cause and the fix."""
    if isinstance(error, Unlisted):
        return str(error)
    folder = database.index_folder()
    if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL" or getattr(error, "errno", 0) == 28:
        return f"the index of {root} does not fit on the disk: make room in {folder}"
    return f"the index of {root} cannot be written ({error}): look at {folder}"


def tell(**message: Any) -> None:
    print(json.dumps(message), flush=True)


def _listen(changed: Changed) -> None:
    """Until the parent ends: then a transaction that is under way is lost, and nothing else."""
    for line in sys.stdin.buffer:
        with suppress(ValueError, TypeError, AttributeError):
            told = json.loads(line).get("changed", ())
            for path in [MANY] if told is True else told:
                changed.put(str(path))
    os._exit(0)


def _remove_stale(own: Path) -> None:
    """Indexes that nobody has brought up to date for a long time."""
    with suppress(OSError):
        for path in own.parent.glob("*.sqlite"):
            if path != own and time.time() - path.stat().st_mtime > STALE:
                database.remove(path)


if __name__ == "__main__":
    with suppress(BrokenPipeError, KeyboardInterrupt):
        main(sys.argv[1:])
