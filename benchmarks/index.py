"""What does the index of a large workspace cost: processor time, memory, room on the disk?

    python benchmarks/index.py --from FOLDER [--files 100000] [--json] [--write]
    python benchmarks/index.py --tree FOLDER [--json] [--write]

The tree is made of the source files below FOLDER: copies of them with other names for a quarter of
their words, until there are enough; or it is one that is there. Processor time is told beside the
wall's, as it says the same on a machine that is busy. --write puts the table into
benchmarks/results/index.md.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import sqlite3
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from lsp_server.index import database
from lsp_server.index.listing import LARGEST, listed
from lsp_server.index.update import update

RESULT = Path(__file__).parent / "results" / "index.md"
WORD = re.compile(r"[A-Za-z_]{5,}")
EVERY = 10_000  # files between two rows


@dataclass(frozen=True, slots=True)
class Row:
    """After `files`: seconds of processor and wall since the beginning, the process's largest
    memory, and the size of the index, in MB."""

    files: int
    processor: float
    wall: float
    memory: float
    disk: float


def measure(tree: Path, path: Path) -> Iterator[Row]:
    """A row every EVERY files, one at the end, and one of a second look at the same files."""
    connection = database.open_to_write(path)
    rows: list[Row] = []
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
    yield from [*rows, row(done.files)]
    connection.execute("pragma wal_checkpoint(truncate)")
    started, processor = time.perf_counter(), time.process_time()
    again = update(connection, tree)
    assert again.read == again.gone == 0
    yield row(again.files)
    connection.close()


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


def as_table(rows: list[Row], bytes_: int) -> str:
    head = "| files | processor, s | wall, s | memory, MB | index, MB |"
    *first, again = rows
    return "\n".join(
        [
            "# What an index costs",
            "",
            f"`python benchmarks/index.py`: {rows[-1].files:,} source files, {bytes_ / 1e6:,.0f} MB"
            f" of text, SQLite {sqlite3.sqlite_version}. The memory is that of the process that"
            " keeps the index, at its largest; the wall's time is of a machine with other work.",
            "",
            head,
            "| ---: | ---: | ---: | ---: | ---: |",
            *map(as_line, first),
            "",
            f"A second look, at files that have not changed: {again.processor:.1f} s of processor,"
            f" {again.wall:.1f} s.",
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
        rows = list(measure(tree.resolve(), Path(folder) / "index.sqlite"))
        bytes_ = sum((tree / each).stat().st_size for each in listed(tree))
    table = as_table(rows, bytes_)
    print(json.dumps([asdict(row) for row in rows]) if options.json else table)
    if options.write:
        RESULT.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
