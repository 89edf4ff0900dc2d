"""The suites: files of items, each a gap whose text is known. Imports no torch.

humaneval-infilling  JSON lines, plain or gzip: task_id, entry_point, prompt, suffix,
                     canonical_solution, test (github.com/openai/human-eval-infilling: single-line,
                     multi-line, random-span and its light half are files of one form)
santacoder-fim       JSON lines or parquet: prompt, suffix, canonical_solution, language, task_id
files                a folder of source files: gaps of a line and of a block are cut from them
held-out             JSON lines as engine/training/corpus.py writes them: package, path, text,
                     language. 2,000 gaps of a line, half of them whole lines, and 500 of a block
"""

from __future__ import annotations

import gzip
import json
import random
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HUMANEVAL, SANTACODER, FILES = "humaneval-infilling", "santacoder-fim", "files"
HELD_OUT = "held-out"
SUITES = (HUMANEVAL, SANTACODER, FILES, HELD_OUT)
LANGUAGES = {".py": "python", ".js": "javascript", ".ts": "typescript", ".java": "java",
             ".go": "go", ".rs": "rust", ".c": "c", ".cpp": "cpp", ".lua": "lua",
             ".rb": "ruby", ".sh": "shellscript"}  # fmt: skip
SKIPPED = {".git", ".venv", "node_modules", "__pycache__", "build", "dist"}
LARGEST = 200_000  # characters of a file that gaps are cut from
LINES, BLOCKS = 2000, 500  # gaps of the held-out suite
COMMENTS = ("#", "//", "/*", "*", "--", "<!--")
TRAINED = Path(__file__).parents[1] / "training" / "settings.toml"


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


def read_items(
    suite: str,
    data: Path,
    limit: int | None = None,
    seed: int = 0,
    without: Callable[[str], bool] = lambda path: False,
) -> list[Item]:
    """The suite's items in order; with a `limit`, the same random sample each time.

    Files of the user's own for whose path `without` holds are left out. Raises BadData.
    """
    if suite not in SUITES:
        raise BadData(f"there is no suite {suite}: choose one of {', '.join(SUITES)}")
    if suite == FILES:
        items = list(_cut_files(data, seed, without))
    elif suite == HELD_OUT:
        items = list(_held_out(data, seed))
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
    solution, suffix = _within_lines(
        record["prompt"], record["canonical_solution"], record["suffix"]
    )
    return Item(
        id=record["task_id"],
        prefix=record["prompt"],
        suffix=suffix,
        solution=solution,
        language="python",
        block="\n" in solution.strip("\n"),
        test=record["test"],
        entry_point=record["entry_point"],
    )


def _within_lines(prefix: str, solution: str, suffix: str) -> tuple[str, str]:
    """Solution and suffix, with the last line break of a gap of whole lines in the suffix: as in an
    editor, where a fill of a line never brings one."""
    is_whole = prefix[-1:] in ("", "\n") and solution.endswith("\n")
    return (solution[:-1], "\n" + suffix) if is_whole else (solution, suffix)


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
        raise BadData(
            f"{data} is parquet: install infill-ls[parquet], or turn it into JSON lines"
        ) from None
    try:
        rows: list[Any] = parquet.read_table(data).to_pylist()
    except (OSError, ValueError) as error:
        raise BadData(f"cannot read {data}: {error}: give the suite's data file") from error
    return rows


def _cut_files(folder: Path, seed: int, without: Callable[[str], bool]) -> Iterator[Item]:
    """Of each file one gap of a line (from somewhere to its end) and one of two to six lines."""
    if not folder.is_dir():
        raise BadData(f"{folder} is no folder: the suite `files` takes one, of source files")
    for path in sorted(folder.rglob("*")):
        language = LANGUAGES.get(path.suffix)
        inside = path.relative_to(folder)
        if language is None or SKIPPED & set(inside.parts) or without(str(path)):
            continue
        if not path.is_file():
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
        yield _gap(inside, "line", text, start + column, start + len(line), language, block=False)
        at = rng.choice([index for index in full if index + 6 <= len(lines)] or full[:1])
        start = sum(map(len, lines[:at]))
        taken = "".join(lines[at : at + rng.randint(2, 6)])
        yield _gap(inside, "block", text, start, start + len(taken), language, block=True)


def _held_out(data: Path, seed: int) -> Iterator[Item]:
    """LINES gaps of a line and BLOCKS of two to six lines: languages by the weights they are
    trained with, files by their length."""
    files: dict[str, list[tuple[Path, str]]] = {}
    for line, record in _records(data):
        try:
            path = Path(record["package"]) / record["path"]
            files.setdefault(record["language"], []).append((path, record["text"]))
        except (KeyError, TypeError):
            raise BadData(f"{data}, item {line}: it is no file of a corpus") from None
    trained = tomllib.loads(TRAINED.read_text(encoding="utf-8"))["data"]["languages"]
    languages = sorted(files.keys() & trained.keys())
    if not languages:
        raise BadData(f"{data} has no text in a language that is trained on")
    shares = [trained[language] for language in languages]
    lengths = {language: [len(text) for _, text in files[language]] for language in languages}
    rng = random.Random(seed)
    for kind, wanted in (("line", LINES), ("block", BLOCKS)):
        seen: set[tuple[Path, int]] = set()
        while len(seen) < wanted:
            language = rng.choices(languages, shares)[0]
            path, text = rng.choices(files[language], lengths[language])[0]
            cut = _draw_gap(text, kind, rng)
            if cut is None or (path, cut[0]) in seen:
                continue
            seen.add((path, cut[0]))
            yield _gap(path, f"{kind}{cut[0]}", text, *cut, language, block=kind == "block")


def _draw_gap(text: str, kind: str, rng: random.Random) -> tuple[int, int] | None:
    """The characters of a gap; None where the line that was drawn is blank or a comment."""
    lines = text.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    line = lines[at].rstrip()
    start = sum(map(len, lines[:at]))
    if not line.strip() or line.lstrip().startswith(COMMENTS):
        return None
    if kind == "block":
        return start, start + sum(map(len, lines[at : at + rng.randint(2, 6)]))
    # As likely before the line's first character as anywhere in it.
    indent = len(line) - len(line.lstrip())
    column = indent if rng.random() < 0.5 else rng.randrange(indent, len(line))
    return start + column, start + len(line)


def _gap(
    inside: Path, kind: str, text: str, start: int, end: int, language: str, *, block: bool
) -> Item:
    solution, suffix = _within_lines(text[:start], text[start:end], text[end:])
    return Item(
        id=f"{inside.as_posix()}#{kind}",
        prefix=text[:start],
        suffix=suffix,
        solution=solution,
        language=language,
        block=block,
    )
