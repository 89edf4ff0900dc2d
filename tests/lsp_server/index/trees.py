"""Folders of source files for tests of the index, and what an index holds."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lsp_server.index import database
from lsp_server.index.update import update


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def git(root: Path) -> Path:
    subprocess.run(["git", "-C", str(root), "init", "-q"], check=True)
    return root


def build(root: Path, path: Path) -> Path:
    """The index of `root`, in the file `path`."""
    connection = database.open_to_write(path)
    try:
        update(connection, root)
    finally:
        connection.close()
    return path


def held(path: Path) -> dict[str, list[Any]]:
    """All that an index says of its folder, whatever order it was read in."""
    connection = database.open_to_read(path)
    assert connection is not None
    queries = {
        "files": "select path, stem, size, lines from files order by path",
        "texts": "select id, text, skeleton, files from texts order by id",
        "pairs": "select above, below, files from pairs order by above, below",
        "symbols": "select name, path, line, body, last from symbols join files on id = file"
        " order by 1, 2, 3",
    }
    try:
        return {name: connection.execute(query).fetchall() for name, query in queries.items()}
    finally:
        connection.close()
