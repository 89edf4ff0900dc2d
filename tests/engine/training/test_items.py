"""Held-out gaps are cut where they say, and baselines get every chance."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.training.items import (
    KINDS,
    Item,
    cut_item,
    held_out_items,
    most_frequent,
    trivial_fills,
)
from engine.training.source import Source, write_sources

TEXT = """import os


def f(x):
    # why
    y = os.path  
    if y:
        return y

    pass
# end
z = 1"""  # noqa: W291


@pytest.mark.parametrize("kind", KINDS)
def test_cuts(kind: str) -> None:
    rng = random.Random(0)
    found = [cut_item(TEXT, kind, rng) for _ in range(500)]
    items = {item for item in found if item is not None}
    assert None in found  # blank lines and comments are not asked for
    for item in items:
        assert item.kind == kind
        assert item.prefix + item.middle + item.suffix == TEXT
        line_so_far = item.prefix.rpartition("\n")[2]
        assert item.middle.strip()
        assert item.middle == item.middle.rstrip()
        assert "\n" not in item.middle
        assert item.suffix.partition("\n")[0].strip() == ""
        assert not (line_so_far + item.middle).lstrip().startswith("#")
        if kind == "whole_line":
            assert not line_so_far.strip()
            assert not item.middle[0].isspace()
        else:
            assert line_so_far.strip()
    lines = {(item.prefix.rpartition("\n")[2] + item.middle).strip() for item in items}
    assert lines == {
        "import os", "def f(x):", "y = os.path", "if y:", "return y", "pass", "z = 1",
    }  # fmt: skip


def test_one_seed_one_set(tmp_path: Path) -> None:
    path = tmp_path / "held_out.jsonl"
    write_sources([Source("p", "a.py", TEXT)], path)
    items = held_out_items(path, 9, seed=3)
    assert [item.kind for item in items] == [KINDS[n % 2] for n in range(9)]
    assert held_out_items(path, 9, seed=3) == items
    assert held_out_items(path, 9, seed=4) != items
    assert {item.kind for item in held_out_items(path, 5, 1, ("whole_line",))} == {"whole_line"}


@dataclass(frozen=True, slots=True)
class Baseline:
    name: str
    prefix: str
    suffix: str
    expected: str


BASELINES = [
    Baseline("nothing", "x = ", "\n", ""),
    Baseline("pass", "    ", "\n", "pass"),
    Baseline("pass", "    pa", "\n", "ss"),
    Baseline("pass", "    x", "\n", "pass"),
    Baseline("previous line", "a = 1\nb = 2\n", "\nc", "b = 2"),  # at column 0
    Baseline("previous line", "    a = 1\n    ", "\n", "a = 1"),
    Baseline("previous line", "a = 1\n\n\n    ", "\n", "a = 1"),
    Baseline("previous line", "a = 1\na =", "\n", " 1"),
    Baseline("previous line", "a = 1\nb", "\n", "a = 1"),
    Baseline("previous line", "a", "\n", ""),
    Baseline("previous line", "", "\n", ""),
    Baseline("next line", "x", "\n\n    y = 2\nz", "y = 2"),
    Baseline("next line", "y =", "  \ny = 2", " 2"),
    Baseline("next line", "x", "", ""),
    Baseline("most frequent", "x", "\n", "return x"),
]


@pytest.mark.parametrize("case", BASELINES, ids=lambda case: f"{case.name} {case.prefix!r}")
def test_baselines(case: Baseline) -> None:
    item = Item("rest_of_line", case.prefix, "?", case.suffix)
    assert trivial_fills(item, "return x")[case.name] == case.expected


def test_most_frequent() -> None:
    items = [Item("whole_line", "", text, "") for text in ("a", "b ", "b", "c", "a", "b")]
    assert most_frequent(items) == "b"
