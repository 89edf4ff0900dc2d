"""Whether a model fills gaps, asked with one that has a single answer.

Many models have the tokens for it and were never taught to use them. Whoever only continues a text
goes on after what follows the gap, and does not find the missing number; or, where a server shows
what follows first, finds it and goes on counting. Whoever was taught writes it and ends there.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.api import Draft, FillRequest, IsCancelled, OnDraft, Shape
from engine.remote.writing import Written

TRIAL = FillRequest(
    ("numbers = [1, 2, 3, 4, ", ", 6, 7, 8, 9]\nprint(numbers)\n"),
    language="python",
    path="numbers.py",
    shape=Shape.LINE,
    max_tokens=4,
)
ANSWER = "5"

FillsOne = Callable[[FillRequest, OnDraft, IsCancelled | None], Written]


def fills_gaps(fill: FillsOne) -> bool:
    """Raises an EngineError, as `fill` does."""
    return fill(TRIAL, _ignore, None).fill.texts[0].strip() == ANSWER


def _ignore(draft: Draft) -> None:
    pass
