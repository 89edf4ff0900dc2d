"""Numbers of the model card against values computed elsewhere."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.api import Alternative, EngineInfo, Fill, FillRequest, Shape
from engine.checkpoints.profile import FEATURES, UNTRAINED_FOR_GAPS, read_profile
from engine.fill.candidates import Candidate
from engine.fill.infill import LocalEngine, Rolled
from engine.fill.rank import Evidence, Likelihood
from engine.training.evaluate import (
    Answer,
    Share,
    ask,
    calibrate,
    calibration_table,
    expected_calibration_error,
    fit_calibration,
    fit_rank,
    is_exact,
    report,
    starts_inside_word,
    to_json,
)
from engine.training.export import default_profile
from engine.training.items import Item


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [  # statsmodels.stats.proportion.proportion_confint(..., method="wilson"), z = 1.96
        (0, 10, 0.0, 0.2775402),
        (10, 10, 0.7224598, 1.0),
        (1, 10, 0.0178762, 0.4041500),
        (50, 100, 0.4038298, 0.5961702),
        (250, 1000, 0.2241516, 0.2777715),
    ],
)
def test_wilson(right: int, total: int, low: float, high: float) -> None:
    assert Share(right, total).interval == pytest.approx((low, high), abs=2e-5)


def test_a_share_of_none() -> None:
    assert Share(0, 0).rate == 0.0
    assert Share(0, 0).interval == (0.0, 1.0)
    assert str(Share(1, 10)) == "10.0% (1.8 to 40.4, n = 10)"


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


def answer(confidence: float, exact: bool, **changes: Any) -> Answer:
    item = Item("rest_of_line", "x = ", "y", "\n")
    text = "y" if exact else "z"
    fill = Fill((text,), confidence, 2, 64, 0.5, (Alternative((text,), -1.0, confidence),))
    return Answer(replace(item, **changes), fill, text)


def test_calibration_table() -> None:
    answers = [answer(0.05, False), answer(0.55, True), answer(0.52, False), answer(1.0, True)]
    rows = calibration_table(answers)
    assert rows == [
        {"n": 1, "confidence": 0.05, "exact": 0.0},
        {"n": 2, "confidence": 0.535, "exact": 0.5},
        {"n": 1, "confidence": 1.0, "exact": 1.0},
    ]
    assert expected_calibration_error(rows) == pytest.approx((0.05 + 2 * 0.035 + 0.0) / 4)
    assert expected_calibration_error([]) == 0


@pytest.mark.parametrize(
    ("text", "expected"), [("a b", True), (" a b \n", True), ("a  b", False), ("", False)]
)
def test_exact(text: str, expected: bool) -> None:
    assert is_exact(Item("whole_line", "", "a b", ""), text) is expected


@pytest.mark.parametrize(
    ("prefix", "middle", "expected"),
    [
        ("pri", "nt", True),
        ("x_", "1", True),
        ("x.", "y", False),
        ("x", " y", False),
        ("", "y", False),
    ],
)
def test_inside_a_word(prefix: str, middle: str, expected: bool) -> None:
    assert starts_inside_word(Item("rest_of_line", prefix, middle, "")) is expected


class Echo(LocalEngine):
    """Its own candidate is what stands behind "# " in the first line of the prefix; ranked above it
    is what was looked up, where the line ends in "?"."""

    def __init__(self) -> None:
        self.requests: list[FillRequest] = []
        self.profile = UNTRAINED_FOR_GAPS

    def roll(self, request: FillRequest, *_: Any) -> Rolled:
        self.requests.append(request)
        text = request.texts[0].partition("\n")[0].removeprefix("# ")
        own = Evidence(Likelihood(-1.0, -1.0), 0, 2)
        candidates = [Candidate((text.removesuffix("?"),), -1.0, own, -1.0)]
        if text.endswith("?"):
            found = Evidence(Likelihood(-2.0, -1.0), 9, 2)
            candidates.insert(0, Candidate(("looked up",), 0.0, found, None))
        return Rolled(candidates, 3, 64)


def test_report() -> None:
    items = [
        Item("rest_of_line", "# nt(1)\npri", "nt(1)", "\n"),
        Item("whole_line", "# pass\n", "pass", "\n"),
        Item("rest_of_line", "# 1?\nx = ", "1", "\n"),
        Item("whole_line", "# return\n    ", "return x", "\nreturn x\n"),
    ]
    engine, seen = Echo(), list[int]()
    answers = ask(engine, items, seen.append)
    assert seen == [1, 2, 3, 4]
    assert all(request.shape is Shape.LINE for request in engine.requests)
    assert engine.requests[0].texts == ("# nt(1)\npri", "\n")
    numbers = json.loads(to_json(report(answers, seed=7, started=0.0)))
    assert numbers["seed"] == 7
    assert (numbers["exact"]["right"], numbers["exact"]["n"]) == (2, 4)
    assert (numbers["model_alone"]["right"], numbers["model_alone"]["n"]) == (3, 4)
    assert numbers["exact"]["percent"] == 50.0
    assert numbers["by_kind"]["whole_line"]["right"] == 1
    assert numbers["by_language"]["python"]["n"] == 4
    assert (numbers["any"]["right"], numbers["repeats"]["right"]) == (3, 0)
    assert numbers["inside_word"]["n"] == 1
    assert numbers["between_words"]["n"] == 1
    baselines = {name: share["right"] for name, share in numbers["baselines"].items()}
    assert baselines == {
        "nothing": 0, "pass": 1, "previous line": 0, "next line": 1, "most frequent": 1,
    }  # fmt: skip
    assert numbers["times_best_baseline"] == 2.0
    assert numbers["model_alone_times_best_baseline"] == 3.0
    assert 0 <= numbers["fill_seconds"]["p50"] <= numbers["fill_seconds"]["p95"]
    assert numbers["steps_mean"] == 3.0


def test_calibrate_writes_the_profile(tiny: Any, tmp_path: Path) -> None:
    profile = default_profile(tiny.settings).but(line_tokens=(4,), steps=2)
    engine = LocalEngine(tiny.model, tiny.tokenizer, profile, EngineInfo("tiny", "cpu"))
    items = [Item("rest_of_line", f"x = {n}", "1", "\n") for n in range(4)]
    seen: list[int] = []
    calibrate(engine, items, tmp_path, seen.append)
    assert seen == [1, 2, 3, 4]
    written = read_profile(tmp_path)
    assert replace(written, ranking=profile.ranking) == profile
    assert written.ranking.calibration.keys() == set(FEATURES)
