"""The one chooser, on candidates whose errors are their digits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from lsp_server.suggest.choose import Candidate, choose


@dataclass
class ByDigits:
    """Judges a text by the digit that it begins with; over 1 it breaks."""

    judged: list[str] = field(default_factory=list)

    async def judge(self, text: str, errors: int | None = None) -> tuple[int, bool]:
        self.judged.append(text)
        count = int(text[0]) if errors is None else errors
        return count, count > 1


# Candidates with their confidence; how many are enough; the sound ones, the broken ones.
CASES: list[tuple[list[tuple[str, float]], int | None, list[tuple[str, float]], list[str]]] = [
    ([("1a", 0.9), ("0b", 0.1)], None, [("0b", 0.1), ("1a", 0.9)], []),
    ([("0a", 0.2), ("0b", 0.1)], None, [("0a", 0.2), ("0b", 0.1)], []),
    ([("0a", 0.2), ("2b", 0.5), ("0a", 0.7)], None, [("0a", 0.7)], ["2b"]),
    ([("2a", 0.9), ("1b", 0.1), ("0c", 0.5)], 1, [("1b", 0.1)], ["2a"]),
    ([("3a", 0.9), ("2b", 0.1)], 1, [], ["3a", "2b"]),
    ([], None, [], []),
]


@pytest.mark.parametrize(("given", "enough", "sound", "broken"), CASES)
async def test_what_breaks_least(
    given: list[tuple[str, float]],
    enough: int | None,
    sound: list[tuple[str, float]],
    broken: list[str],
) -> None:
    guard: Any = ByDigits()
    chosen = await choose(candidates(given), guard, enough)
    assert [(each.what, each.confidence) for each in chosen.sound] == sound
    assert [each.what for each in chosen.broken] == broken
    assert len(guard.judged) == len(set(guard.judged))


async def candidates(given: list[tuple[str, float]]) -> AsyncIterator[Candidate[str]]:
    for text, confidence in given:
        yield Candidate(text, text, text, confidence)


async def test_faults_count_for_the_order_and_known_errors_for_what_breaks() -> None:
    async def both() -> AsyncIterator[Candidate[str]]:
        yield Candidate("a", "a", "9", 0.5, errors=0, faults=3)
        yield Candidate("b", "b", "0", 0.5, faults=2)
        yield Candidate("c", "c", "0", 0.5, errors=2, faults=0)

    guard: Any = ByDigits()
    chosen = await choose(both(), guard)
    assert [(each.what, each.faults) for each in chosen.sound] == [("b", 2), ("a", 3)]
    assert [each.what for each in chosen.broken] == ["c"]
