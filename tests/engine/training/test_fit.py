"""Rank and calibration find what made the data, and stay finite whatever they are given."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.api import EngineInfo
from engine.checkpoints.profile import FEATURES, read_profile
from engine.evaluation.items import Item
from engine.fill.infill import LocalEngine
from engine.training.export import default_profile
from engine.training.fit import calibrate, fit_calibration, fit_rank


def logistic(z: float) -> float:
    return 1 / (1 + math.exp(-z))


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.6, -0.8), (2.0, 1.5), (-2.0, 0.1), (0.0, -0.5)])
def test_calibration_recovers_what_made_the_data(weights: tuple[float, float]) -> None:
    rng = random.Random(0)
    features = [(1.0, rng.gauss(0, 2.5)) for _ in range(8_000)]
    odds = [sum(w * x for w, x in zip(weights, row, strict=True)) for row in features]
    exact = [rng.random() < logistic(z) for z in odds]
    assert fit_calibration(features, exact) == pytest.approx(weights, abs=0.15)


FITS: list[tuple[str, list[float], list[bool]]] = [
    ("all exact", [0.9, 0.5, 0.2], [True] * 3),
    ("none exact", [0.9, 0.5, 0.2], [False] * 3),
    ("one feature never varies", [0.7] * 10, [True, False] * 5),
    ("far away", [-300.0, 300.0, 250.0], [False, True, True]),
    ("separable", [0.1, 0.2, 0.8, 0.9], [False, False, True, True]),
    ("one answer", [0.5], [True]),
]


@pytest.mark.parametrize(("name", "given", "exact"), FITS, ids=[name for name, _, _ in FITS])
def test_calibration_stays_finite_and_helps(
    name: str, given: list[float], exact: list[bool]
) -> None:
    weights = fit_calibration([(1.0, x) for x in given], exact)
    assert all(math.isfinite(w) for w in weights)

    def wrong(constant: float, slope: float) -> float:
        return sum(
            abs(logistic(constant + slope * x) - y) for x, y in zip(given, exact, strict=True)
        )

    assert wrong(*weights) <= wrong(0.0, 0.0) + 1e-6


def test_no_answer_no_calibration() -> None:
    assert fit_calibration([], []) == ()


def test_the_rank_learns_what_tells_the_exact_ones() -> None:
    """Drawn by a softmax of known weights, they come back; a gap without an exact one is no use."""
    rng, weights = random.Random(0), (2.0, -1.0)
    features, exact = [], []
    for _ in range(3_000):
        rows = [(rng.gauss(0, 1), rng.gauss(0, 1)) for _ in range(4)]
        odds = [math.exp(sum(w * x for w, x in zip(weights, row, strict=True))) for row in rows]
        right = rng.choices(range(4), odds)[0]
        features.append(rows)
        exact.append([at == right for at in range(4)])
    features.append([(9.0, 9.0)] * 4)
    exact.append([False] * 4)
    assert fit_rank(features, exact) == pytest.approx(weights, abs=0.15)
    assert fit_rank(features[-1:], exact[-1:]) == fit_rank([], []) == ()


def test_calibrate_writes_the_profile(tiny: Any, tmp_path: Path) -> None:
    profile = default_profile(tiny.settings).but(line_tokens=(4,), steps=2)
    engine = LocalEngine(tiny.model, tiny.tokenizer, profile, EngineInfo("tiny", "cpu"))
    items = [Item(str(n), f"x = {n}", "\n", "1", "python", False) for n in range(4)]
    seen: list[int] = []
    calibrate(engine, items, tmp_path, seen.append)
    assert seen == [1, 2, 3, 4]
    written = read_profile(tmp_path)
    assert replace(written, ranking=profile.ranking) == profile
    assert written.ranking.calibration.keys() == set(FEATURES)
