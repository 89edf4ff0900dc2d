"""The rank of candidates and the confidence of the best, fitted on gaps of *tune* packages.

How good the result is, `infill-ls eval held-out` tells, of other packages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from engine.evaluation.exactness import is_exact
from engine.evaluation.items import Item
from engine.evaluation.logistic import fit_calibration
from engine.evaluation.methods import request_for
from engine.fill.infill import LocalEngine
from engine.fill.rank import by_name
from engine.training.export import write_profile

RIDGE = 0.3  # of the rank's weights


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
        rolled = engine.roll(request_for(item))
        assert rolled is not None, "one hole fits on every canvas"
        candidates = rolled.candidates
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
