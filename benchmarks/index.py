"""What does the index of a large workspace cost: processor time, memory, room on the disk?

    python benchmarks/index.py --from FOLDER [--files 100000] [--json] [--write]
    python benchmarks/index.py --tree FOLDER [--json] [--write]

The tree is made of the source files below FOLDER: copies of them with other names for a quarter of
their words, until there are enough; or it is one that is there. Processor time is told beside the
wall's, as it says the same on a machine that is busy. Of a tree that was made some files are then
changed, as somebody does who saves them, and looked up in. --write puts the table into
benchmarks/results/index.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import resource
import sqlite3
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median

from lsp_server.index import database
from lsp_server.index.listing import LARGEST, listed
from lsp_server.index.lookup import words_of
from lsp_server.index.reader import Reader
from lsp_server.index.update import update, update_files

RESULT = Path(__file__).parent / "results" / "index.md"
WORD = re.compile(r"[A-Za-z_]{5,}")
EVERY = 10_000  # files between two rows
SAVES = 20  # files that are changed, one after the other; twice as many at once
LOOK_UPS = 100


@dataclass(frozen=True, slots=True)
class Row:
    """After `files`: seconds of processor and wall since the beginning, the process's largest
    memory, and the size of the index, in MB."""

    files: int
    processor: float
    wall: float
    memory: float
    disk: float


@dataclass(frozen=True, slots=True)
class Timed:
    """Milliseconds of processor and wall, the middle one of several times."""

    what: str
    processor: float
    wall: float


def measure(tree: Path, path: Path, rows: list[Row]) -> Iterator[Timed]:
    """`rows` gets one every EVERY files and one at the end. Then a second look at them."""
    connection = database.open_to_write(path)
    started, processor = time.perf_counter(), time.process_time()

    def row(files: int) -> Row:
        size = sum(each.stat().st_size for each in path.parent.glob(f"{path.name}*"))
        return Row(
            files,
            time.process_time() - processor,
            time.perf_counter() - started,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            size / 1e6,
        )

    def on_batch(done: int, of: int) -> None:
        if done // EVERY > (rows[-1].files // EVERY if rows else 0) and done < of:
            rows.append(row(done))
            print(as_line(rows[-1]), flush=True)

    done = update(connection, tree, on_batch)
    rows.append(row(done.files))
    connection.execute("pragma wal_checkpoint(truncate)")

    def look() -> None:
        again = update(connection, tree)
        assert again.read == again.gone == 0

    yield timed("a look at all files, of which none has changed", [look])
    connection.close()


def measure_changes(tree: Path, path: Path) -> Iterator[Timed]:
    """Files are changed, and lines looked up beside those that were not."""
    connection = database.open_to_write(path)
    paths = random.Random(0).sample(sorted(listed(tree)), 3 * SAVES + LOOK_UPS)
    saves, bulk, asked = paths[:SAVES], paths[SAVES : 3 * SAVES], paths[3 * SAVES :]

    def save(*names: str) -> None:
        for name in names:
            lines = (tree / name).read_text(encoding="utf-8").splitlines(keepends=True)
            lines[len(lines) // 2 : len(lines) // 2] = ["changed_line = 1\n"]
            (tree / name).write_text("".join(lines), encoding="utf-8")
        update_files(connection, tree, names)

    yield timed("one file, when it is saved", [partial(save, each) for each in saves])
    yield timed(f"{len(bulk)} files at once, as of another branch", [partial(save, *bulk)])
    connection.close()
    reader = Reader(tree, path)

    def ask(name: str) -> None:
        text = (tree / name).read_text(encoding="utf-8")
        at = text.find("\n", len(text) // 2) + 5
        reader.lines(text[:at], text[at:], name, words_of(text))

    yield timed("lines looked up for a gap", [partial(ask, each) for each in asked])
    reader.close()


def timed(what: str, works: Sequence[Callable[[], None]]) -> Timed:
    taken = []
    for work in works:
        started, processor = time.perf_counter(), time.process_time()
        work()
        taken.append((time.process_time() - processor, time.perf_counter() - started))
    own, wall = (1000 * median(each) for each in zip(*taken, strict=True))
    return Timed(what, own, wall)


def make(sources: Path, tree: Path, files: int) -> None:
    """Copies of the source files below `sources`, `files` of them."""
    paths = [each for each in listed(sources) if (sources / each).stat().st_size <= LARGEST]
    if not paths:
        raise SystemExit(f"{sources} holds no source files: name another folder")
    for number in range(files):
        copy, at = divmod(number, len(paths))
        text = (sources / paths[at]).read_text(encoding="utf-8", errors="replace")
        path = tree / str(copy) / paths[at]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(renamed(text, copy), encoding="utf-8")


def renamed(text: str, copy: int) -> str:
    def name(found: re.Match[str]) -> str:
        word = found.group()
        return f"{word}{copy}" if zlib.crc32(word.encode()) % 4 == 0 else word

    return WORD.sub(name, text) if copy else text


def as_line(row: Row) -> str:
    return (
        f"| {row.files:,} | {row.processor:.1f} | {row.wall:.1f} | {row.memory:.0f} |"
        f" {row.disk:.0f} |"
    )


def as_table(rows: list[Row], timed: list[Timed], bytes_: int, command: str) -> str:
    head = "| files | processor, s | wall, s | memory, MB | index, MB |"
    machine = f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
    return "\n".join(
        [
            "# What an index costs",
            "",
            f"`{command}`, {date.today()}: {rows[-1].files:,} source files, {bytes_ / 1e6:,.0f} MB"
            f" of text; {machine}, SQLite {sqlite3.sqlite_version}. The memory is that of the"
            " process that keeps the index, at its largest; the wall's time is of a machine with"
            " other work.",
            "",
            head,
            "| ---: | ---: | ---: | ---: | ---: |",
            *map(as_line, rows),
            "",
            "| then | processor, ms | wall, ms |",
            "| --- | ---: | ---: |",
            *(f"| {each.what} | {each.processor:,.1f} | {each.wall:,.1f} |" for each in timed),
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="sources", type=Path)
    parser.add_argument("--tree", type=Path)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tree = options.tree or Path(folder) / "tree"
        if options.tree is None:
            make(options.sources or Path(), tree, options.files)
        rows: list[Row] = []
        path = Path(folder) / "index.sqlite"
        timed = list(measure(tree.resolve(), path, rows))
        if options.tree is None:  # nobody else's files are changed
            timed += measure_changes(tree.resolve(), path)
        bytes_ = sum((tree / each).stat().st_size for each in listed(tree))
    given = "" if options.tree else f" --from FOLDER --files {options.files}"
    table = as_table(rows, timed, bytes_, f"python benchmarks/index.py{given}")
    print(json.dumps([asdict(each) for each in (*rows, *timed)]) if options.json else table)
    if options.write:
        RESULT.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
