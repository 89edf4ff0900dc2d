"""The interval in which a number lies. Imports no torch."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Z = 1.959964  # 95% of a normal distribution lie within so many standard deviations
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Proportion:
    """`right` of `total`, with the 95% Wilson score interval: also where none or all are."""

    right: int
    total: int

    @classmethod
    def of(cls, values: Sequence[bool]) -> Proportion:
        return cls(sum(values), len(values))

    @property
    def rate(self) -> float:
        return self.right / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        if not self.total:
            return 0.0, 1.0
        n, p = self.total, self.rate
        centre = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
        half = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
        return max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half))

    def as_json(self) -> dict[str, Any]:
        low, high = self.interval
        return {"mean": self.rate, "low": low, "high": high, "n": self.total}

    def __str__(self) -> str:
        low, high = self.interval
        return f"{100 * self.rate:.1f}% ({100 * low:.1f} to {100 * high:.1f}, n = {self.total})"


def bootstrap(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """95% of the means of resamples lie within it."""
    rng = random.Random(seed)
    means = sorted(mean(rng.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return means[round(0.025 * RESAMPLES)], means[round(0.975 * RESAMPLES) - 1]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
