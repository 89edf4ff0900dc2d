"""An index brought up to date with its folder: what is new or changed is read, what is gone is
forgotten."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lsp_server import languages
from lsp_server.index import database
from lsp_server.index.database import Read
from lsp_server.index.lines import lines_of
from lsp_server.index.listing import LARGEST, listed, those_listed
from lsp_server.index.symbols import symbols_of

log = logging.getLogger(__name__)

BATCH = 400  # files of one transaction
MOST_FILES = 200_000  # of a folder; beyond them nothing is indexed


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update has found: files that are indexed now, and how many were read and gone."""

    files: int
    read: int
    gone: int
    seconds: float


def update(
    connection: sqlite3.Connection,
    root: Path,
    on_batch: Callable[[int, int], None] = lambda done, of: None,
) -> Updated:
    """Bring the index up to date with all of the folder. Raises Unlisted and sqlite3.Error; what
    was done by then stays."""
    started = time.monotonic()
    known = {
        path: (mtime, size)
        for path, mtime, size in connection.execute("select path, mtime, size from files")
    }
    present: set[str] = set()
    changed: list[str] = []
    for path in listed(root):
        stamp = _stamp(root / path)
        if stamp is None or stamp[1] > LARGEST or len(present) >= MOST_FILES:
            continue
        present.add(path)
        if known.get(path) != stamp:
            changed.append(path)
    gone = known.keys() - present
    for some in _batches(sorted(gone)):
        database.take_out(connection, some)
    done = 0
    for some in _batches(changed):
        database.add(connection, _read_all(root, some))
        done += len(some)
        on_batch(done, len(changed))
    if changed or gone:
        connection.execute("pragma optimize")
    seconds = time.monotonic() - started
    database.note(connection, root=str(root), updated=int(time.time()), files=len(present))
    return Updated(len(present), len(changed), len(gone), seconds)


def update_files(connection: sqlite3.Connection, root: Path, paths: Iterable[str]) -> int:
    """Bring the index up to date with some files, by their paths below `root` with slashes; how
    many were read. Raises Unlisted and sqlite3.Error."""
    read = 0
    for some in _batches(dict.fromkeys(paths)):
        wanted = set(those_listed(root, some))
        stamps = {path: _stamp(root / path) for path in some}
        present = [path for path in some if path in wanted and _is_small(stamps[path])]
        known = {
            path: connection.execute(
                "select mtime, size from files where path = ?", (path,)
            ).fetchone()
            for path in some
        }
        gone = [path for path in some if known[path] and path not in present]
        changed = [path for path in present if known[path] != stamps[path]]
        if gone:
            database.take_out(connection, gone)
        if changed:
            database.add(connection, _read_all(root, changed))
        read += len(changed)
    (files,) = connection.execute("select count(*) from files").fetchone()
    database.note(connection, updated=int(time.time()), files=files)
    return read


def _is_small(stamp: tuple[int, int] | None) -> bool:
    return stamp is not None and stamp[1] <= LARGEST


def _read_all(root: Path, paths: Iterable[str]) -> Iterator[Read]:
    for path in paths:
        read = _read(root, path)
        if read is not None:
            yield read


def _read(root: Path, path: str) -> Read | None:
    """None of what is no text, or cannot be read."""
    stamp = _stamp(root / path)
    try:
        content = (root / path).read_bytes()
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        text = None
    if stamp is None:
        return None
    if text is None or "\0" in text:
        return Read(path, *stamp, [], [])  # known, so that it is not read again and again
    language = languages.of_file(Path(path))
    symbols = symbols_of(language, content) if language is not None else []
    return Read(path, *stamp, list(lines_of(text)), symbols)


def _stamp(path: Path) -> tuple[int, int] | None:
    """When it was changed, in nanoseconds, and its size; None of what is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    if not path.is_file():
        return None
    return found.st_mtime_ns, found.st_size


def _batches(paths: Iterable[str]) -> Iterator[tuple[str, ...]]:
    left = iter(paths)
    while some := tuple(islice(left, BATCH)):
        yield some
