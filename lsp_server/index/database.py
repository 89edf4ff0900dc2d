"""The file that an index is kept in, as a SQLite database: read by anybody, written by one process.

    files    path, stem (a test has that of what it tests), when and how large it was read, and the
             numbers of its lines in their order
    texts    each different line, its skeleton (`lines`), and in how many files it stands
    pairs    which line stands below which, how much deeper, and in how many files
    symbols  functions and types: name, file, lines

Changes come in transactions: a process that is killed, or a disk that is full, loses the last one
and nothing else.
"""

from __future__ import annotations

import hashlib
import logging
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

from lsp_server.index.lines import Line, is_kept, pack, skeleton_of, unpack
from lsp_server.index.symbols import Symbol
from lsp_server.stats.store import state_folder

log = logging.getLogger(__name__)

VERSION = 1
CACHE = 32 * 1024  # KiB of pages that the writing process keeps
READER_CACHE = 8 * 1024
PATIENCE = 10.0  # seconds to wait for another writer
MOST_LISTED = 50  # files that a question about names gives
START = 12  # characters of a line by which those that begin alike are found

_TEST = re.compile(r"^test_|[_-](?:test|tests|spec)$|(?<=[a-z])Tests?$")
_SCHEMA = f"""
create table meta (key text primary key, value) without rowid;
create table files (
    id integer primary key, path text unique not null, stem text, mtime integer, size integer,
    lines blob);
create index files_stem on files (stem);
create table texts (
    id integer primary key, text text not null, skeleton integer not null, files integer not null);
create index texts_start on texts (substr(text, 1, {START}));
create index texts_skeleton on texts (skeleton);
create table pairs (
    above integer, below integer, deeper integer not null, files integer not null,
    primary key (above, below)) without rowid;
create index pairs_below on pairs (below);
create table symbols (
    name text not null, file integer not null, line integer, body integer, last integer);
create index symbols_name on symbols (name);
create index symbols_file on symbols (file);
pragma user_version = {VERSION};
"""


@dataclass(frozen=True, slots=True)
class Read:
    """A file as it was read: `mtime` in nanoseconds, `size` in bytes."""

    path: str
    mtime: int
    size: int
    lines: Sequence[Line]
    symbols: Sequence[Symbol]


def index_folder() -> Path:
    """Where all indexes are."""
    return state_folder() / "index"


def path_of(root: Path) -> Path:
    """Where the index of the folder `root` is."""
    named = hashlib.sha256(str(root).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return index_folder() / f"{named}.sqlite"


def stem_of(path: str) -> str:
    """The name of a file without folders, extension and what says that it is a test."""
    stem = PurePosixPath(path).name.split(".")[0] or path
    return _TEST.sub("", stem) or stem


def open_to_write(path: Path) -> sqlite3.Connection:
    """The index at `path`, made anew where it is of another version or is none. Raises OSError and
    sqlite3.Error."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError):
        path.parent.chmod(0o700)
    try:
        return _opened(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and path.exists() and not _is_broken(error):
            raise
        log.warning("%s is no index (%s): it is built anew", path, error)
        remove(path)
        return _opened(path)


def open_to_read(path: Path) -> sqlite3.Connection | None:
    """None where there is no index that this version reads."""
    if not path.exists():
        return None
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False, timeout=0.05
    )
    try:
        connection.execute(f"pragma cache_size = -{READER_CACHE}")
        if connection.execute("pragma user_version").fetchone()[0] == VERSION:
            return connection
    except sqlite3.Error as error:
        log.info("%s cannot be read: %s", path, error)
    connection.close()
    return None


def remove(path: Path) -> bool:
    """Whether there was an index. Raises OSError."""
    there = path.exists()
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    return there


def add(connection: sqlite3.Connection, reads: Iterable[Read]) -> None:
    """Put files in, in the place of what was known of them, as one transaction. Raises
    sqlite3.Error."""
    reads = list(reads)
    texts: Counter[int] = Counter()
    pairs: Counter[tuple[int, int]] = Counter()
    words: dict[int, str] = {}
    deeper: dict[tuple[int, int], int] = {}
    with _transaction(connection):
        _take_out(connection, [read.path for read in reads])
        for read in reads:
            kept = {line.id: line.text for line in read.lines if is_kept(line.text)}
            words |= kept
            texts.update(kept.keys())
            ids = [line.id for line in read.lines]
            pairs.update(_pairs(ids))
            for above, line in pairwise(read.lines):
                deeper[above.id, line.id] = line.deeper
            file = connection.execute(
                "insert into files (path, stem, mtime, size, lines) values (?, ?, ?, ?, ?)",
                (read.path, stem_of(read.path), read.mtime, read.size, pack(ids)),
            ).lastrowid
            connection.executemany(
                "insert into symbols values (?, ?, ?, ?, ?)",
                [(each.name, file, each.line, each.body, each.end) for each in read.symbols],
            )
        # In the order of their keys, so that a page of the file is looked at once.
        connection.executemany(
            "insert into texts values (?, ?, ?, ?)"
            " on conflict (id) do update set files = files + excluded.files",
            [(id, words[id], skeleton_of(words[id]), texts[id]) for id in sorted(texts)],
        )
        connection.executemany(
            "insert into pairs values (?, ?, ?, ?)"
            " on conflict (above, below) do update set files = files + excluded.files",
            [(*pair, deeper[pair], pairs[pair]) for pair in sorted(pairs)],
        )


def take_out(connection: sqlite3.Connection, paths: Iterable[str]) -> None:
    """Forget files, as one transaction. Raises sqlite3.Error."""
    with _transaction(connection):
        _take_out(connection, list(paths))


def files_in(connection: sqlite3.Connection, folder: str) -> list[str]:
    """The files right in a folder, "." for the root. Raises sqlite3.Error."""
    start = "" if folder == "." else f"{folder}/"
    rows = connection.execute(
        "select path from files where path >= ? and path < ? and instr(substr(path, ?), '/') = 0"
        f" order by path limit {MOST_LISTED}",
        (start, start + "\U0010ffff", len(start) + 1),
    )
    return [path for (path,) in rows]


def files_named(connection: sqlite3.Connection, stem: str) -> list[str]:
    """Files of that stem (`stem_of`). Raises sqlite3.Error."""
    rows = connection.execute(
        f"select path from files where stem = ? order by path limit {MOST_LISTED}", (stem,)
    )
    return [path for (path,) in rows]


def note(connection: sqlite3.Connection, **values: object) -> None:
    """Keep facts about the index itself. Raises sqlite3.Error."""
    with _transaction(connection):
        connection.executemany("insert or replace into meta values (?, ?)", list(values.items()))


def noted(connection: sqlite3.Connection) -> dict[str, object]:
    return dict(connection.execute("select key, value from meta"))


def _take_out(connection: sqlite3.Connection, paths: Sequence[str]) -> None:
    texts: Counter[int] = Counter()
    pairs: Counter[tuple[int, int]] = Counter()
    for path in paths:
        found = connection.execute("select id, lines from files where path = ?", (path,)).fetchone()
        if found is None:
            continue
        file, packed = found
        ids = unpack(packed)
        texts.update(set(ids))
        pairs.update(_pairs(ids))
        connection.execute("delete from symbols where file = ?", (file,))
        connection.execute("delete from files where id = ?", (file,))
    if not pairs and not texts:
        return
    connection.executemany(
        "update texts set files = files - ? where id = ?", [(n, id) for id, n in texts.items()]
    )
    connection.executemany("delete from texts where id = ? and files < 1", [(id,) for id in texts])
    connection.executemany(
        "update pairs set files = files - ? where above = ? and below = ?",
        [(n, *pair) for pair, n in pairs.items()],
    )
    connection.executemany(
        "delete from pairs where above = ? and below = ? and files < 1", list(pairs)
    )


def _pairs(ids: Sequence[int]) -> set[tuple[int, int]]:
    return set(pairwise(ids))


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    try:
        path.chmod(0o600)
        connection.execute(f"pragma cache_size = -{CACHE}")
        connection.execute("pragma journal_mode = wal")
        # Of a computer that loses its power the last seconds may be lost; a process may always die.
        connection.execute("pragma synchronous = normal")
        version = connection.execute("pragma user_version").fetchone()[0]
        if version == 0:
            connection.executescript(f"begin immediate; {_SCHEMA} commit;")
        elif version != VERSION:
            raise sqlite3.DatabaseError(f"it is of version {version}, not {VERSION}")
        connection.execute("select count(*) from meta").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _is_broken(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorname", "") in ("SQLITE_CORRUPT", "SQLITE_NOTADB")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("rollback")
        raise
