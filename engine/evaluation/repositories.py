"""Gaps in whole repositories, filled with and without what the rest of the repository says.

Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.api import Proposal, Snippet
from engine.evaluation.cutting import WEIGHTS, Text, cut_held_out, read_folder
from engine.evaluation.intervals import bootstrap, mean
from engine.evaluation.items import BadData, Item
from engine.evaluation.measure import Answer

LINES, BLOCKS = 800, 200
ALONE = "file alone"  # the way that the others are held against

# What is known around an item's gap, of the repositories in a folder, by one of the ways to fill.
Around = Callable[[Path, Item, str], tuple[Sequence[Snippet], Sequence[Proposal]]]


def cut_repositories(
    data: Path,
    seed: int = 0,
    without: Callable[[str], bool] = lambda path: False,
    lines: int = LINES,
    blocks: int = BLOCKS,
) -> list[Item]:
    """Gaps in the repositories that are the folders in `data`, each item with its `path` below it.

    Languages by weight, files by their length; none of files for whose path `without` holds.
    Raises BadData.
    """
    texts = list(_read(data, without))
    if not texts:
        raise BadData(
            f"{data} holds no folder with source files: the suite takes one of repositories"
        )
    weights = {text.language: WEIGHTS.get(text.language, 1.0) for text in texts}
    items = cut_held_out(texts, lines, blocks, seed, weights)
    return [replace(item, path=item.id.rpartition("#")[0]) for item in items]


def _read(data: Path, without: Callable[[str], bool]) -> Iterator[Text]:
    if not data.is_dir():
        raise BadData(f"{data} is no folder: the suite takes one of repositories")
    for folder in sorted(each for each in data.iterdir() if each.is_dir()):
        for text in read_folder(folder, without):
            yield replace(text, name=f"{folder.name}/{text.name}")


def gains(answers: Sequence[Answer], seed: int = 0) -> list[dict[str, Any]]:
    """By way and part, how much more often a fill is exact than by ALONE, of the same items: the
    mean difference of proportions with the interval of 95% of resamples."""
    by_item: dict[str, dict[str, Answer]] = {}
    for answer in answers:
        by_item.setdefault(answer.id, {})[answer.method] = answer
    rows = []
    for method in dict.fromkeys(answer.method for answer in answers if answer.method != ALONE):
        for part in ("lines", "blocks"):
            differences = [
                float(each[method].exact) - float(each[ALONE].exact)
                for each in by_item.values()
                if method in each and ALONE in each and each[method].block == (part == "blocks")
            ]
            if differences:
                low, high = bootstrap(differences, seed)
                rows.append(
                    {
                        "method": method,
                        "part": part,
                        "n": len(differences),
                        "gain": {"mean": mean(differences), "low": low, "high": high},
                    }
                )
    return rows
