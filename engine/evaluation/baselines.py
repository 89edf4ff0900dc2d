"""What anybody can write into a gap without a model: what a model's rate is held against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from engine.evaluation.exactness import is_exact
from engine.evaluation.intervals import Proportion
from engine.evaluation.items import Item


def baselines(items: Sequence[Item]) -> dict[str, dict[str, Any]]:
    """How often each trivial fill is exact, by its name; {} without items."""
    if not items:
        return {}
    fills = trivial_fills(most_frequent(items))
    return {
        name: Proportion.of([is_exact(item, fill(item)) for item in items]).as_json()
        for name, fill in fills.items()
    }


def trivial_fills(frequent: str) -> dict[str, Callable[[Item], str]]:
    """A copied line continues from the cursor when it begins like the cursor's line."""
    return {
        "nothing": lambda item: "",
        "pass": lambda item: _rest("pass", item),
        "previous line": lambda item: _rest(_neighbour(item.prefix.split("\n")[-2::-1]), item),
        "next line": lambda item: _rest(_neighbour(item.suffix.split("\n")[1:]), item),
        "most frequent": lambda item: frequent,
    }


def most_frequent(items: Iterable[Item]) -> str:
    """The commonest gap: the most favourable constant there is, chosen with the answers in hand."""
    return Counter(item.solution.strip() for item in items).most_common(1)[0][0]


def _neighbour(lines: Iterable[str]) -> str:
    return next((line.strip() for line in lines if line.strip()), "")


def _rest(line: str, item: Item) -> str:
    so_far = item.prefix.rsplit("\n", 1)[-1].lstrip()
    return line[len(so_far) :] if line.startswith(so_far) else line
