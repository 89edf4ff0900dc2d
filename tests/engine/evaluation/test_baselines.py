"""Baselines get every chance."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from engine.evaluation.baselines import baselines, most_frequent, trivial_fills
from engine.evaluation.items import Item


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


def item(prefix: str, solution: str, suffix: str) -> Item:
    return Item("it", prefix, suffix, solution, "python", False)


@pytest.mark.parametrize("case", BASELINES, ids=lambda case: f"{case.name} {case.prefix!r}")
def test_baselines(case: Baseline) -> None:
    assert trivial_fills("return x")[case.name](item(case.prefix, "?", case.suffix)) == (
        case.expected
    )


def test_most_frequent() -> None:
    items = [item("", text, "") for text in ("a", "b ", "b", "c", "a", "b")]
    assert most_frequent(items) == "b"


def test_how_often_they_are_exact() -> None:
    items = [item("    ", "pass", "\n"), item("a = 1\n", "a = 1", "\n"), item("x", "y", "\nz")]
    rates = {name: rate["mean"] for name, rate in baselines(items).items()}
    assert rates == pytest.approx(
        {"nothing": 0, "pass": 1 / 3, "previous line": 1 / 3, "next line": 0,
         "most frequent": 1 / 3}
    )  # fmt: skip
    assert baselines([]) == {}
