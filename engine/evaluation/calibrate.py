"""The confidence of any model or server, fitted to gaps of a user's own files."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.api import Shape
from engine.checkpoints import calibration as kept
from engine.checkpoints.calibration import SERVER_FEATURES, Calibration
from engine.checkpoints.profile import FEATURES
from engine.evaluation.calibration import calibration
from engine.evaluation.exactness import is_exact
from engine.evaluation.items import BadData, Item
from engine.evaluation.logistic import fit_calibration
from engine.evaluation.methods import request_for
from engine.fill.rank import TOTAL
from engine.remote.engine import RemoteEngine

LEAST_ITEMS = 40
LEAST_OF_EACH = 5  # right ones, and wrong ones
# How firmly a fit holds to the weights that it begins with: a hundred gaps tell little of a dozen
# weights, and a thousand much.
RIDGES = (0.3, 3.0, 30.0, 300.0)
FOLDS = 4
# What a fit begins with where nothing was fitted before: what benchmarks/confidence.py finds for a
# language model that writes the rest of a line (`base` in benchmarks/results/confidence.json).
FIRST: Mapping[str, float] = {"constant": -0.46, "log probability": 0.68}
NEARLY = 1e-3  # a probability of 0 or 1 would make one surprise outweigh everything


@dataclass(frozen=True, slots=True)
class Seen:
    """One gap's fill: what speaks for it by name, its confidence so far, and if it is right."""

    features: dict[str, float]
    confidence: float
    is_exact: bool


Look = Callable[[Item], Seen]


def calibrate(
    look: Look,
    names: Sequence[str],
    items: Sequence[Item],
    model: str,
    identity: str,
    progress: Callable[[int], None],
    prior: Mapping[str, float],
) -> Calibration:
    """Fit on all `items`, from the weights `prior`: what the model has so far, or the default. How
    far off it is, is told of each quarter by a fit of the others.

    Raises BadData where there are too few to fit anything to, of gaps before any is filled, and
    where what was fitted tells no better than what was there.
    """
    if len(items) < LEAST_ITEMS:  # filling them would take minutes
        raise BadData(
            f"there are {len(items)} gaps, two in each file, and at least {LEAST_ITEMS} are needed:"
            " give more files"
        )
    seen = []
    for number, item in enumerate(items, 1):
        seen.append(look(item))
        progress(number)
    right = sum(each.is_exact for each in seen)
    if min(right, len(seen) - right) < LEAST_OF_EACH:
        raise BadData(
            f"{right} of {len(seen)} fills are right, and at least {LEAST_OF_EACH} right and"
            f" {LEAST_OF_EACH} wrong ones are needed: give more files"
        )
    before = [(each.confidence, each.is_exact) for each in seen]
    # Of each fold by a fit that saw nothing of it, not even when it chose its ridge.
    unseen = _of_folds(seen, lambda others: _fit(others, names, prior))
    found = Calibration(
        model=model,
        identity=identity,
        weights=_fit(seen, names, prior),
        items=len(seen),
        error=calibration(unseen)["error"],
        error_before=calibration(before)["error"],
    )
    if _surprise(unseen) >= _surprise(before):
        raise BadData(
            f"fitted to {len(seen)} gaps, of which {right} were filled right, the confidence tells"
            " no better than before which fills are right: nothing is kept; give more files"
        )
    return found


def look_at_model(engine: Any) -> Look:
    """Of a LocalEngine."""

    def look(item: Item) -> Seen:
        rolled = engine.roll(request_for(item))
        assert rolled is not None, "one hole fits on every canvas"
        best = rolled.candidates[0]
        confidence = best.confidence(engine.profile)
        return Seen(best.evidence.features(), confidence, is_exact(item, best.texts[0]))

    return look


def prior_of_model(engine: Any) -> Mapping[str, float]:
    """What a LocalEngine's model has, or FIRST in the words of its features: of a line that was not
    looked up it is the very same."""
    given: Mapping[str, float] = engine.profile.ranking.calibration
    if given:
        return given
    return {"constant": FIRST["constant"], "whole": FIRST["log probability"] / TOTAL}


def look_at_server(engine: RemoteEngine) -> Look:

    def look(item: Item) -> Seen:
        request = request_for(item)
        fill, is_known = engine.written(request)
        if not is_known:
            raise BadData("the server tells no probabilities: there is nothing to calibrate")
        probability, is_block = fill.confidence, request.shape is Shape.BLOCK
        features = kept.server_features(probability, is_block=is_block)
        return Seen(features, probability, is_exact(item, fill.texts[0]))

    return look


def _fit(
    seen: Sequence[Seen], names: Sequence[str], prior: Mapping[str, float]
) -> dict[str, float]:
    """With the ridge by which others of `seen` are told best."""
    ridge = min(
        RIDGES,
        key=lambda ridge: _surprise(
            _of_folds(seen, lambda others: _fit_by(ridge, others, names, prior))
        ),
    )
    return _fit_by(ridge, seen, names, prior)


def _fit_by(
    ridge: float, seen: Sequence[Seen], names: Sequence[str], prior: Mapping[str, float]
) -> dict[str, float]:
    rows = [[each.features.get(name, 0.0) for name in names] for each in seen]
    begin = [prior.get(name, 0.0) for name in names]
    weights = fit_calibration(rows, [each.is_exact for each in seen], begin, ridge)
    return dict(zip(names, weights, strict=True))


def _of_folds(
    seen: Sequence[Seen], fit: Callable[[Sequence[Seen]], Mapping[str, float]]
) -> list[tuple[float, bool]]:
    """The confidence of each of `seen` by what `fit` makes of the other folds, and if it is right.
    The two gaps of a file come one after the other, and are in one fold."""
    folds = [at // 2 % FOLDS for at in range(len(seen))]
    fits = [
        fit([each for each, its in zip(seen, folds, strict=True) if its != fold])
        for fold in range(FOLDS)
    ]
    return [
        (kept.weighed(fits[fold], each.features), each.is_exact)
        for each, fold in zip(seen, folds, strict=True)
    ]


def _surprise(judged: Sequence[tuple[float, bool]]) -> float:
    """The mean of -log of the probability of what was the case, in nats."""
    bounded = ((min(max(p, NEARLY), 1 - NEARLY), is_exact) for p, is_exact in judged)
    return sum(-math.log(p if is_exact else 1 - p) for p, is_exact in bounded) / len(judged)


__all__ = [
    "FEATURES",
    "FIRST",
    "SERVER_FEATURES",
    "calibrate",
    "look_at_model",
    "look_at_server",
    "prior_of_model",
]
