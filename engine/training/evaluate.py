"""How often a fill is exactly what stood there, with its interval, beside trivial baselines."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from engine.api import Fill, FillRequest, Shape
from engine.evaluation.measure import repeats_suffix
from engine.evaluation.methods import written_alone
from engine.fill.infill import LocalEngine, Rolled
from engine.fill.rank import by_name
from engine.training.export import write_profile
from engine.training.items import Item, most_frequent, trivial_fills

GATES = (0.1, 0.2, 0.3, 0.35, 0.4, 0.5)  # confidences from which on fills might be shown
RIDGE = 0.3  # of the rank's weights


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
    """What the engine filled in, and what the model would have without looking anything up."""

    item: Item
    fill: Fill
    alone: str

    @property
    def exact(self) -> bool:
        return is_exact(self.item, self.fill.texts[0])


def is_exact(item: Item, text: str) -> bool:
    """Equal but for white space at the ends of the gap."""
    return text.strip() == item.middle.strip()


def ask(
    engine: LocalEngine, items: Sequence[Item], progress: Callable[[int], None] | None = None
) -> list[Answer]:
    answers = []
    for number, item in enumerate(items):
        started = time.perf_counter()
        rolled = roll(engine, item)
        fill = replace(engine.fill_of(rolled), seconds=time.perf_counter() - started)
        answers.append(Answer(item, fill, alone(engine, rolled)))
        if progress is not None:
            progress(number + 1)
    return answers


def roll(engine: LocalEngine, item: Item) -> Rolled:
    rolled = engine.roll(request_for(item))
    assert rolled is not None, "one hole fits on every canvas"
    return rolled


def alone(engine: LocalEngine, rolled: Rolled) -> str:
    """The best of the candidates that the model wrote itself."""
    best = written_alone(rolled, engine.profile)
    return best.texts[0] if best is not None else ""


def request_for(item: Item) -> FillRequest:
    shape = Shape.BLOCK if item.kind == "lines" else Shape.LINE
    return FillRequest(texts=(item.prefix, item.suffix), shape=shape, language=item.language)


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
    model_alone = _share([is_exact(answer.item, answer.alone) for answer in answers])
    return {
        "seed": seed,
        "exact": _plain(_share([answer.exact for answer in answers])),
        "model_alone": _plain(model_alone),
        "by_kind": {
            kind: _plain(_share([a.exact for a in answers if a.item.kind == kind]))
            for kind in kinds
        },
        "by_language": {
            language: _plain(_share([a.exact for a in answers if a.item.language == language]))
            for language in sorted({item.language for item in items})
        },
        "repeats": _plain(
            _share([repeats_suffix(a.fill.texts[0], a.item.suffix) for a in answers])
        ),
        "any": _plain(
            _share(
                [any(is_exact(a.item, o.texts[0]) for o in a.fill.alternatives) for a in answers]
            )
        ),
        "inside_word": _plain(_share([a.exact for a in cut if starts_inside_word(a.item)])),
        "between_words": _plain(_share([a.exact for a in cut if not starts_inside_word(a.item)])),
        "baselines": {name: _plain(share) for name, share in baselines.items()},
        "best_baseline": best,
        "times_best_baseline": round(
            _share([a.exact for a in answers]).rate / max(baselines[best].rate, 1e-9), 2
        ),
        "model_alone_times_best_baseline": round(
            model_alone.rate / max(baselines[best].rate, 1e-9), 2
        ),
        "calibration": calibration_table(answers),
        "gates": [_at_gate(answers, gate) for gate in GATES],
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


def _at_gate(answers: Sequence[Answer], gate: float) -> dict[str, Any]:
    """What is shown when fills of less confidence than `gate` are not, and how much of it is
    exact."""
    shown = [answer.exact for answer in answers if answer.fill.confidence >= gate]
    share = round(len(shown) / len(answers), 3)
    return {"gate": gate, "share": share, "exact": _plain(_share(shown))}


def expected_calibration_error(rows: Sequence[dict[str, float]]) -> float:
    total = sum(row["n"] for row in rows)
    return sum(row["n"] * abs(row["confidence"] - row["exact"]) for row in rows) / max(total, 1)


def fit_calibration(
    features: Sequence[Sequence[float]], exact: Sequence[bool]
) -> tuple[float, ...]:
    """Weights of a logistic regression of `exact` on `features`; none where there is no answer.

    Newton's method, with a little ridge, so that a feature that never varies gets no weight, and
    with steps halved while they do not help, so that it stays finite whatever it is given.
    """
    if not features:
        return ()
    x = torch.tensor(features, dtype=torch.float64)
    y = torch.tensor(exact, dtype=torch.float64)
    weights = torch.zeros(x.shape[1], dtype=torch.float64)
    ridge = 0.1 * torch.eye(x.shape[1], dtype=torch.float64)

    def loss(w: torch.Tensor) -> float:
        fit = torch.nn.functional.binary_cross_entropy_with_logits(x @ w, y, reduction="sum")
        return float(fit + 0.5 * w @ ridge @ w)

    for _ in range(50):
        p = (x @ weights).sigmoid()
        hessian = (x * (p * (1 - p))[:, None]).T @ x + ridge
        step = torch.linalg.solve(hessian, x.T @ (p - y) + ridge @ weights)
        while loss(weights - step) > loss(weights) and float(step.abs().max()) > 1e-9:
            step = step / 2
        weights = weights - step
    return tuple(round(float(w), 4) for w in weights)


def fit_rank(
    features: Sequence[Sequence[Sequence[float]]], exact: Sequence[Sequence[bool]]
) -> tuple[float, ...]:
    """Weights under which the exact ones among each gap's candidates come first; none where no gap
    has any. `features` and `exact` hold one entry per gap, each with one per candidate.

    The likelihood of the exact candidates under a softmax over their gap's, with a little ridge, by
    Newton's method (a conditional logit).
    """
    gaps = [
        (torch.tensor(rows, dtype=torch.float64), torch.tensor(right, dtype=torch.float64))
        for rows, right in zip(features, exact, strict=True)
        if any(right)
    ]
    if not gaps:
        return ()
    size = gaps[0][0].shape[1]
    weights = torch.zeros(size, dtype=torch.float64)
    for _ in range(50):
        gradient, hessian = -RIDGE * weights, RIDGE * torch.eye(size, dtype=torch.float64)
        for rows, right in gaps:
            p = (rows @ weights).softmax(0)
            mean = p @ rows
            gradient += (right / right.sum()) @ rows - mean
            hessian += rows.T @ (rows * p[:, None]) - torch.outer(mean, mean)
        step = torch.linalg.solve(hessian, gradient).clamp(-1, 1)
        weights = weights + step
        if float(step.abs().max()) < 1e-6:
            break
    return tuple(round(float(w), 4) for w in weights)


def calibrate(
    engine: LocalEngine,
    items: Sequence[Item],
    folder: Path,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Fit the profile in `folder`: the rank of the candidates, and then the confidence of the best
    of them, so that it is how often such fills are exact."""
    features: list[list[tuple[float, ...]]] = []
    exact: list[list[bool]] = []
    for number, item in enumerate(items, 1):
        candidates = roll(engine, item).candidates
        features.append([each.evidence.vector() for each in candidates])
        exact.append([is_exact(item, each.texts[0]) for each in candidates])
        if progress is not None:
            progress(number)
    rank = fit_rank(features, exact)
    best = [_best(rows, rank) for rows in features]
    calibration = fit_calibration(
        [rows[at] for rows, at in zip(features, best, strict=True)],
        [right[at] for right, at in zip(exact, best, strict=True)],
    )
    write_profile(
        engine.profile.but(weights=by_name(rank), calibration=by_name(calibration)), folder
    )


def _best(rows: Sequence[Sequence[float]], weights: Sequence[float]) -> int:
    """The row that weighs most; the first one without weights."""
    scores = [sum(w * x for w, x in zip(weights, row, strict=False)) for row in rows]
    return max(range(len(rows)), key=lambda at: scores[at])


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
