"""`infill-ls index`: the index of a folder's lines and symbols, seen from a terminal."""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.client.lock import FileLock
from lsp_server.commands.fault import FAILED, USAGE, CommandError
from lsp_server.index import database
from lsp_server.index.__main__ import reason_of
from lsp_server.index.kept import Kept, kept, look
from lsp_server.index.listing import Unlisted
from lsp_server.index.update import update


def command(
    folder: Annotated[Path, typer.Argument(help="The folder; else the one you are in.")] = Path(),
    forget: Annotated[bool, typer.Option("--forget", help="Remove the folder's index.")] = False,
    forget_all: Annotated[bool, typer.Option("--forget-all", help="Remove every index.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Only show which there are.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring the index of a folder up to date. The language server does so by itself."""
    try:
        if forget_all:
            found = [each.path for each in kept()]
            print(f"{sum(map(database.remove, found))} removed")
        elif forget:
            removed = database.remove(database.path_of(folder.resolve()))
            print("It is removed." if removed else "There was none.")
        elif status:
            show(list(kept()), as_json)
        else:
            show([_updated(folder.resolve())], as_json)
    except (OSError, sqlite3.Error, Unlisted) as error:
        raise CommandError(reason_of(error, folder.resolve()), FAILED) from error


def show(indexes: list[Kept], as_json: bool) -> None:
    if as_json:
        print(json.dumps([as_row(each) for each in indexes]))
    elif not indexes:
        print("There is no index. The language server makes one of each folder you work in.")
    for each in () if as_json else indexes:
        print(in_words(each))


def as_row(index: Kept) -> dict[str, Any]:
    """For JSON."""
    return {**asdict(index), "path": str(index.path)}


def in_words(index: Kept) -> str:
    size = f"{index.bytes / 1e6:.1f} MB"
    if index.files is None or index.updated is None:
        return f"{index.path}: not whole, {size}"
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(index.updated))
    return f"{index.root}: {index.files} files, {size}, of {when}, in {index.path}"


def _updated(root: Path) -> Kept:
    if not root.is_dir():
        raise CommandError(f"{root} is no folder: name one", USAGE)
    path = database.path_of(root)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(path.with_suffix(".lock"))
    if not lock.take():
        raise CommandError(
            f"another process is bringing the index of {root} up to date: wait for it", FAILED
        )
    try:
        connection = database.open_to_write(path)
        try:
            update(connection, root)
        finally:
            connection.close()
    finally:
        lock.release()
    return look(path)
