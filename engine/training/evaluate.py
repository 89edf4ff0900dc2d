"""How often a fill is exactly what stood there, with its interval, beside trivial baselines."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.api import Engine, Fill, FillRequest, Shape
from engine.infill import LocalEngine
from engine.training.export import write_profile
from engine.training.items import Item, most_frequent, trivial_fills


@dataclass(frozen=True, slots=True)
class Share:
    """`right` of `total`, with the 95% Wilson score interval."""

    right: int
    total: int

    @property
    def rate(self) -> float:
        return self.right / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        if not self.total:
            return 0.0, 1.0
        n, p, z = self.total, self.rate, 1.96
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return centre - half, centre + half

    def __str__(self) -> str:
        low, high = self.interval
        return f"{100 * self.rate:.1f}% ({100 * low:.1f} to {100 * high:.1f}, n = {self.total})"


@dataclass(frozen=True, slots=True)
class Answer:
    item: Item
    fill: Fill

    @property
    def exact(self) -> bool:
        return is_exact(self.item, self.fill.texts[0])


def is_exact(item: Item, text: str) -> bool:
    """Equal but for white space at the ends of the gap."""
    return text.strip() == item.middle.strip()


def ask(
    engine: Engine, items: Sequence[Item], progress: Callable[[int], None] | None = None
) -> list[Answer]:
    answers = []
    for number, item in enumerate(items):
        request = FillRequest(texts=(item.prefix, item.suffix), shape=Shape.LINE, language="python")
        answers.append(Answer(item, engine.fill(request)))
        if progress is not None:
            progress(number + 1)
    return answers


def report(answers: Sequence[Answer], seed: int, started: float) -> dict[str, Any]:
    """Everything the model card says, as JSON."""
    items = [answer.item for answer in answers]
    kinds = sorted({item.kind for item in items})
    frequent = most_frequent(items)
    names = list(trivial_fills(items[0], frequent))
    baselines = {
        name: _share([is_exact(item, trivial_fills(item, frequent)[name]) for item in items])
        for name in names
    }
    best = max(baselines, key=lambda name: baselines[name].right)
    cut = [answer for answer in answers if answer.item.kind == "rest_of_line"]
    seconds = sorted(answer.fill.seconds for answer in answers)
    return {
        "seed": seed,
        "exact": _plain(_share([answer.exact for answer in answers])),
        "by_kind": {
            kind: _plain(_share([a.exact for a in answers if a.item.kind == kind]))
            for kind in kinds
        },
        "inside_word": _plain(_share([a.exact for a in cut if starts_inside_word(a.item)])),
        "between_words": _plain(_share([a.exact for a in cut if not starts_inside_word(a.item)])),
        "baselines": {name: _plain(share) for name, share in baselines.items()},
        "best_baseline": best,
        "times_best_baseline": round(
            _share([a.exact for a in answers]).rate / max(baselines[best].rate, 1e-9), 2
        ),
        "calibration": calibration_table(answers),
        "fill_seconds": {"p50": _quantile(seconds, 0.5), "p95": _quantile(seconds, 0.95)},
        "steps_mean": round(sum(a.fill.steps for a in answers) / len(answers), 2),
        "evaluation_seconds": round(time.monotonic() - started, 1),
    }


def calibration_table(answers: Sequence[Answer]) -> list[dict[str, float]]:
    """Among fills of confidence c, the share that is exact: ten equal-width bins, empty ones left
    out."""
    rows = []
    for decile in range(10):
        low, high = decile / 10, (decile + 1) / 10
        inside = [a for a in answers if low <= a.fill.confidence < high + (decile == 9)]
        if inside:
            mean = sum(a.fill.confidence for a in inside) / len(inside)
            exact = sum(a.exact for a in inside) / len(inside)
            rows.append({"n": len(inside), "confidence": round(mean, 3), "exact": round(exact, 3)})
    return rows


def expected_calibration_error(rows: Sequence[dict[str, float]]) -> float:
    total = sum(row["n"] for row in rows)
    return sum(row["n"] * abs(row["confidence"] - row["exact"]) for row in rows) / max(total, 1)


def fit_calibration(probabilities: Sequence[float], exact: Sequence[bool]) -> tuple[float, float]:
    """Slope and intercept on the log-odds that make `probabilities` true (Platt scaling).

    Newton's method on the log-likelihood, with a faint pull to (1, 0), which keeps it finite where
    all are exact or none is; a step that would overshoot is halved.
    """
    odds = [math.log(p / (1 - p)) for p in (min(max(p, 1e-6), 1 - 1e-6) for p in probabilities)]
    pull = 1e-3

    def loss(slope: float, intercept: float) -> float:
        total = pull / 2 * ((slope - 1) ** 2 + intercept**2)
        for x, y in zip(odds, exact, strict=True):
            z = slope * x + intercept
            total += max(z, 0.0) - y * z + math.log1p(math.exp(-abs(z)))
        return total

    slope, intercept = 1.0, 0.0
    now = loss(slope, intercept)
    for _ in range(50):
        g0, g1, h00, h01, h11 = pull * (slope - 1), pull * intercept, pull, 0.0, pull
        for x, y in zip(odds, exact, strict=True):
            p = _logistic(slope * x + intercept)
            g0, g1 = g0 + (p - y) * x, g1 + (p - y)
            w = p * (1 - p)
            h00, h01, h11 = h00 + w * x * x, h01 + w * x, h11 + w
        determinant = h00 * h11 - h01 * h01
        step = (h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant
        for halvings in range(60):
            share = 0.5**halvings
            new = slope - share * step[0], intercept - share * step[1]
            if (lower := loss(*new)) < now:
                (slope, intercept), now = new, lower
                break
        else:
            break
    return slope, intercept


def _logistic(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z >= 0 else 1 - 1 / (1 + math.exp(z))


def calibrate(engine: LocalEngine, items: Sequence[Item], folder: Path) -> None:
    """Fit the profile in `folder` so that a fill's confidence is how often such fills are exact."""
    raw = replace(engine.profile, calibration=(1.0, 0.0))
    answers = ask(LocalEngine(engine.model, engine.tokenizer, raw, engine.info), items)
    fitted = fit_calibration([a.fill.confidence for a in answers], [a.exact for a in answers])
    rounded = (round(fitted[0], 4), round(fitted[1], 4))
    write_profile(replace(raw, calibration=rounded), folder)


def starts_inside_word(item: Item) -> bool:
    """Whether the gap begins inside a word."""
    before, after = item.prefix[-1:], item.middle[:1]
    return (
        bool(before) and (before.isalnum() or before == "_") and (after.isalnum() or after == "_")
    )


def _share(right: Sequence[bool]) -> Share:
    return Share(sum(right), len(right))


def _plain(share: Share) -> dict[str, Any]:
    low, high = share.interval
    return {
        "right": share.right,
        "n": share.total,
        "percent": round(100 * share.rate, 2),
        "low": round(100 * low, 2),
        "high": round(100 * high, 2),
    }


def _quantile(ordered: Sequence[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 4)


def to_json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2)
