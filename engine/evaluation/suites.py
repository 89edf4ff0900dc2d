"""The suites: files of items, each a gap whose text is known. Imports no torch.

humaneval-infilling  JSON lines, plain or gzip: task_id, entry_point, prompt, suffix,
                     canonical_solution, test (github.com/openai/human-eval-infilling: single-line,
                     multi-line, random-span and its light half are files of one form)
santacoder-fim       JSON lines or parquet: prompt, suffix, canonical_solution, language, task_id
files                a folder of source files: gaps of a line and of a block are cut from them
repositories         a folder of repositories: 800 gaps of a line and 200 of a block, filled with
                     and without what the rest of the repository says
held-out, fresh,     JSON lines as engine/training/corpus.py writes them: package, path, text,
tune                 language. 2,000 gaps of a line, half of them whole lines, and 500 of a block,
                     in the packages to report on, those of 2026, and those to fit on
                     (engine/evaluation/splits.py)
two-holes            the same files; 500 pairs of gaps of a line, in the packages to report on
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.evaluation import splits
from engine.evaluation.cutting import Text, cut_files, cut_held_out, cut_pairs
from engine.evaluation.items import BadData, Item, within_lines
from engine.evaluation.repositories import cut_repositories
from engine.evaluation.splits import Split, split_of
from engine.packages import how_to_add

HUMANEVAL, SANTACODER, FILES = "humaneval-infilling", "santacoder-fim", "files"
REPOSITORIES = "repositories"
HELD_OUT, FRESH, TUNE, TWO_HOLES = "held-out", "fresh", "tune", "two-holes"
SPLIT_OF: Mapping[str, Split] = {
    HELD_OUT: splits.REPORT, FRESH: splits.FRESH, TUNE: splits.TUNE
}  # fmt: skip
SUITES = (HUMANEVAL, SANTACODER, FILES, REPOSITORIES, *SPLIT_OF, TWO_HOLES)
LINES, BLOCKS = 2000, 500  # gaps of the suites of packages
PAIRS = 500


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
        items = list(cut_files(data, seed, without))
    elif suite == TWO_HOLES:
        items = cut_pairs(read_texts(data, splits.REPORT), PAIRS, seed)
    elif suite == REPOSITORIES:
        items = cut_repositories(data, seed, without)
    elif suite in SPLIT_OF:
        items = held_out_items(data, SPLIT_OF[suite], seed, LINES, BLOCKS)
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
    solution, suffix = within_lines(
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
            f"{data} is parquet: `{how_to_add('pyarrow')}` first, or turn it into JSON lines"
        ) from None
    try:
        rows: list[Any] = parquet.read_table(data).to_pylist()
    except (OSError, ValueError) as error:
        raise BadData(f"cannot read {data}: {error}: give the suite's data file") from error
    return rows


def held_out_items(data: Path, split: Split, seed: int, lines: int, blocks: int) -> list[Item]:
    """Gaps in the packages of `split` among the files that `data` holds. Raises BadData."""
    try:
        return cut_held_out(read_texts(data, split), lines, blocks, seed)
    except BadData as error:
        raise BadData(f"{data}: {error}") from None


def read_texts(data: Path, split: Split) -> list[Text]:
    """The files of packages of `split` among those that `data` holds, JSON lines of
    engine/training/corpus.py. Raises BadData."""
    texts = []
    for line, record in _records(data):
        try:
            name, text, language = record["path"], record["text"], record["language"]
            if split_of(record["package"]) == split:
                texts.append(Text(f"{record['package']}/{name}", text, language))
        except (KeyError, TypeError):
            raise BadData(f"{data}, item {line}: it is no file of a corpus") from None
    if not texts:
        raise BadData(
            f"{data} has no file of a package whose split is {split} in engine/training/corpus.toml"
        )
    return texts
