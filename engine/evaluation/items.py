"""The suites: files of items, each a gap whose text is known. Imports no torch.

humaneval-infilling  JSON lines, plain or gzip: task_id, entry_point, prompt, suffix,
                     canonical_solution, test (github.com/openai/human-eval-infilling: single-line,
                     multi-line, random-span and its light half are files of one form)
santacoder-fim       JSON lines or parquet: prompt, suffix, canonical_solution, language, task_id
files                a folder of source files: gaps of a line and of a block are cut from them
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HUMANEVAL, SANTACODER, FILES = "humaneval-infilling", "santacoder-fim", "files"
SUITES = (HUMANEVAL, SANTACODER, FILES)
LANGUAGES = {".py": "python", ".js": "javascript", ".ts": "typescript", ".java": "java",
             ".go": "go", ".rs": "rust", ".c": "c", ".cpp": "cpp", ".lua": "lua",
             ".rb": "ruby", ".sh": "shellscript"}  # fmt: skip
SKIPPED = {".git", ".venv", "node_modules", "__pycache__", "build", "dist"}
LARGEST = 200_000  # characters of a file that gaps are cut from


class BadData(ValueError):
    """The data are not what the suite needs; the message names file, line and mend."""


@dataclass(frozen=True, slots=True)
class Item:
    """A gap between `prefix` and `suffix`, and what stood there. `test` and `entry_point` decide
    whether the whole runs right; "" where only the text can be compared."""

    id: str
    prefix: str
    suffix: str
    solution: str
    language: str
    block: bool
    test: str = ""
    entry_point: str = ""

    @property
    def bare(self) -> bool:
        """The solution has no letter or digit: brackets alone, which anything can guess."""
        return not any(character.isalnum() for character in self.solution)


def read_items(suite: str, data: Path, limit: int | None = None, seed: int = 0) -> list[Item]:
    """The suite's items in order; with a `limit`, the same random sample each time.

    Raises BadData.
    """
    if suite not in SUITES:
        raise BadData(f"there is no suite {suite}: choose one of {', '.join(SUITES)}")
    if suite == FILES:
        items = list(_cut_files(data, seed))
    else:
        take = {HUMANEVAL: _humaneval, SANTACODER: _santacoder}[suite]
        items = [_read(take, record, data, line) for line, record in _records(data)]
    if not items:
        raise BadData(f"{data} holds no item for {suite}")
    names = {item.id for item in items}
    if len(names) != len(items):
        raise BadData(f"{data} holds {len(items)} items but only {len(names)} different task_ids")
    if limit is not None and limit < len(items):
        chosen = set(random.Random(seed).sample(range(len(items)), limit))
        items = [item for index, item in enumerate(items) if index in chosen]
    return items


def _humaneval(record: dict[str, Any]) -> Item:
    solution = record["canonical_solution"]
    return Item(
        id=record["task_id"],
        prefix=record["prompt"],
        suffix=record["suffix"],
        solution=solution,
        language="python",
        block="\n" in solution.strip("\n"),
        test=record["test"],
        entry_point=record["entry_point"],
    )


def _santacoder(record: dict[str, Any]) -> Item:
    language = {"py": "python", "js": "javascript"}.get(record["language"], record["language"])
    return Item(
        id=f"{language}/{record.get('task_id', record.get('name', ''))}",
        prefix=record["prompt"],
        suffix=record["suffix"],
        solution=record["canonical_solution"],
        language=language,
        block=False,
    )


def _read(take: Callable[[dict[str, Any]], Item], record: Any, data: Path, line: int) -> Item:
    try:
        item = take(record)
    except KeyError as missing:
        raise BadData(f"{data}, item {line}: it has no {missing}: is it for this suite?") from None
    except (TypeError, AttributeError):
        raise BadData(f"{data}, item {line}: it is no object of this suite's form") from None
    if not all(isinstance(getattr(item, name), str) for name in ("id", "prefix", "suffix",
                                                                 "solution", "test")):  # fmt: skip
        raise BadData(f"{data}, item {line}: a value is no text")
    return item


def _records(data: Path) -> Iterator[tuple[int, Any]]:
    if data.suffix == ".parquet":
        yield from enumerate(_parquet(data), 1)
        return
    opened = gzip.open if data.suffix == ".gz" else open
    try:
        with opened(data, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, json.loads(line)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadData(f"cannot read {data}: {reason}: give the suite's data file") from error
    except ValueError as error:
        raise BadData(f"{data} is not JSON lines ({error})") from error


def _parquet(data: Path) -> list[Any]:
    try:
        from pyarrow import parquet  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise BadData(f"{data} is parquet: install pyarrow, or turn it into JSON lines") from None
    try:
        rows: list[Any] = parquet.read_table(data).to_pylist()
    except (OSError, ValueError) as error:
        raise BadData(f"cannot read {data}: {error}") from error
    return rows


def _cut_files(folder: Path, seed: int) -> Iterator[Item]:
    """Of each file one gap of a line (from somewhere to its end) and one of two to six lines."""
    if not folder.is_dir():
        raise BadData(f"{folder} is no folder: the suite `files` takes one, of source files")
    for path in sorted(folder.rglob("*")):
        language = LANGUAGES.get(path.suffix)
        inside = path.relative_to(folder)
        if language is None or SKIPPED & set(inside.parts) or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        rng = random.Random(f"{seed}/{inside.as_posix()}")
        lines = text.splitlines(keepends=True)
        full = [index for index, line in enumerate(lines) if len(line.strip()) > 8]
        if len(text) > LARGEST or len(full) < 8:
            continue
        at = rng.choice(full)
        line = lines[at].rstrip("\r\n")
        column = rng.randrange(len(line) - len(line.lstrip()), len(line) - 3)
        start = sum(map(len, lines[:at]))
        yield _gap(inside, "line", text, start + column, start + len(line), language)
        at = rng.choice([index for index in full if index + 6 <= len(lines)] or full[:1])
        start = sum(map(len, lines[:at]))
        taken = "".join(lines[at : at + rng.randint(2, 6)])
        yield _gap(inside, "block", text, start, start + len(taken), language)


def _gap(inside: Path, kind: str, text: str, start: int, end: int, language: str) -> Item:
    return Item(
        id=f"{inside.as_posix()}#{kind}",
        prefix=text[:start],
        suffix=text[end:],
        solution=text[start:end],
        language=language,
        block=kind == "block",
    )
