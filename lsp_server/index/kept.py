"""All indexes on this machine, as a user is shown them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lsp_server.index import database


@dataclass(frozen=True, slots=True)
class Kept:
    """An index. `root` is "" and the numbers are None where it cannot be read; `updated` is when
    it was last brought up to date, in seconds since 1970; `bytes` is its size on disk."""

    path: Path
    root: str
    files: int | None
    updated: int | None
    bytes: int


def kept() -> Iterator[Kept]:
    """Raises OSError."""
    folder = database.index_folder()
    if folder.is_dir():
        for path in sorted(folder.glob("*.sqlite")):
            yield look(path)


def look(path: Path) -> Kept:
    """What an index says of itself. Raises OSError where there is none."""
    size = sum(each.stat().st_size for each in path.parent.glob(f"{path.name}*"))
    try:
        connection = database.open_to_read(path)
        if connection is None:
            return Kept(path, "", None, None, size)
        try:
            told = database.noted(connection)
        finally:
            connection.close()
    except sqlite3.Error:
        return Kept(path, "", None, None, size)
    files, updated = told.get("files"), told.get("updated")
    return Kept(
        path,
        str(told.get("root", "")),
        files if isinstance(files, int) else None,
        updated if isinstance(updated, int) else None,
        size,
    )
