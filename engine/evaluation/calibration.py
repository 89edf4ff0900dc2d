"""Whether a confidence is what it claims to be: the probability that a fill is exact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.evaluation.intervals import Proportion, mean

GATES = (0.1, 0.2, 0.3, 0.35, 0.4, 0.5)  # confidences from which on fills might be shown
BINS = 10

Judged = Sequence[tuple[float, bool]]  # (confidence, whether the fill is exact)


def calibration(judged: Judged) -> dict[str, Any]:
    """`bins`: among fills of about that confidence, the share that is exact (ten of equal width,
    empty ones left out). `error`: the expected calibration error. `gates`: what is shown from a
    confidence on, and how much of it is exact."""
    bins = _bins(judged)
    total = sum(row["n"] for row in bins)
    off = sum(row["n"] * abs(row["confidence"] - row["exact"]) for row in bins)
    return {"bins": bins, "error": off / max(total, 1), "gates": [_at(judged, g) for g in GATES]}


def _bins(judged: Judged) -> list[dict[str, float]]:
    rows = []
    for index in range(BINS):
        inside = [each for each in judged if min(BINS - 1, int(BINS * each[0])) == index]
        if inside:
            rows.append(
                {
                    "n": len(inside),
                    "confidence": mean([confidence for confidence, _ in inside]),
                    "exact": mean([float(exact) for _, exact in inside]),
                }
            )
    return rows


def _at(judged: Judged, gate: float) -> dict[str, Any]:
    shown = [exact for confidence, exact in judged if confidence >= gate]
    return {
        "gate": gate,
        "shown": Proportion(len(shown), len(judged)).as_json(),
        "exact": Proportion.of(shown).as_json(),
    }
