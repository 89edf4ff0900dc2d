"""Intervals and calibration against values computed elsewhere."""

from __future__ import annotations

import pytest

from engine.evaluation.calibration import calibration
from engine.evaluation.intervals import Proportion, bootstrap, quantile


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
    assert Proportion(right, total).interval == pytest.approx((low, high), abs=2e-5)


@pytest.mark.parametrize("total", [1, 2, 3, 7, 1000])
def test_a_rate_lies_within_its_interval(total: int) -> None:
    for right in (0, total // 2, total):
        low, high = Proportion(right, total).interval
        assert 0 <= low <= right / total <= high <= 1


def test_a_proportion_of_none() -> None:
    assert Proportion(0, 0).rate == 0.0
    assert Proportion(0, 0).interval == (0.0, 1.0)
    assert str(Proportion(1, 10)) == "10.0% (1.8 to 40.4, n = 10)"
    assert Proportion.of([True, False, True]) == Proportion(2, 3)
    assert Proportion(1, 2).as_json()["n"] == 2


def test_bootstrap_and_quantiles() -> None:
    assert bootstrap([1.0] * 10) == (1, 1)
    low, high = bootstrap([0.0, 1.0] * 50)
    assert 0.38 < low < 0.45 < 0.55 < high < 0.62
    assert [quantile([1, 2, 3, 4], share) for share in (0, 0.5, 0.95, 1)] == [1, 3, 4, 4]


def test_calibration() -> None:
    found = calibration([(0.05, False), (0.55, True), (0.52, False), (1.0, True)])
    assert [row["n"] for row in found["bins"]] == [1, 2, 1]
    assert found["bins"][1] == {"n": 2, "confidence": pytest.approx(0.535), "exact": 0.5}
    assert found["error"] == pytest.approx((0.05 + 2 * 0.035 + 0.0) / 4)
    gates = {row["gate"]: (row["shown"]["mean"], row["exact"]["mean"]) for row in found["gates"]}
    assert gates[0.1] == (0.75, pytest.approx(2 / 3))
    assert gates[0.5] == (0.75, pytest.approx(2 / 3))
    assert calibration([])["error"] == 0
