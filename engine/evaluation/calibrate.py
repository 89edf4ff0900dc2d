"""The confidence of any model or server, fitted to gaps of a user's own files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.api import Engine, Shape
from engine.checkpoints import calibration as kept
from engine.checkpoints.calibration import SERVER_FEATURES, Calibration
from engine.checkpoints.profile import FEATURES
from engine.evaluation.calibration import calibration
from engine.evaluation.exactness import is_exact
from engine.evaluation.items import BadData, Item
from engine.evaluation.logistic import fit_calibration
from engine.evaluation.methods import request_for

LEAST_ITEMS = 40
LEAST_OF_EACH = 5  # right ones, and wrong ones


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
) -> Calibration:
    """Fit on all `items`; how far off it is, is told of each half by a fit of the other. Raises
    BadData where there are too few to fit anything to."""
    seen = []
    for number, item in enumerate(items, 1):
        seen.append(look(item))
        progress(number)
    right = sum(each.is_exact for each in seen)
    if len(seen) < LEAST_ITEMS or min(right, len(seen) - right) < LEAST_OF_EACH:
        raise BadData(
            f"{right} of {len(seen)} fills are right, and at least {LEAST_ITEMS} gaps with"
            f" {LEAST_OF_EACH} right and {LEAST_OF_EACH} wrong ones are needed: give more files"
        )
    halves = seen[::2], seen[1::2]
    unseen = [
        (kept.weighed(weights, each.features), each.is_exact)
        for fitted, others in (halves, halves[::-1])
        for weights in (_fit(fitted, names),)
        for each in others
    ]
    before = [(each.confidence, each.is_exact) for each in seen]
    return Calibration(
        model=model,
        identity=identity,
        weights=_fit(seen, names),
        items=len(seen),
        error=calibration(unseen)["error"],
        error_before=calibration(before)["error"],
    )


def look_at_model(engine: Any) -> Look:
    """Of a LocalEngine."""

    def look(item: Item) -> Seen:
        rolled = engine.roll(request_for(item))
        assert rolled is not None, "one hole fits on every canvas"
        best = rolled.candidates[0]
        confidence = best.confidence(engine.profile)
        return Seen(best.evidence.features(), confidence, is_exact(item, best.texts[0]))

    return look


def look_at_server(engine: Engine) -> Look:
    """Of a remote engine, whose confidence is a probability."""

    def look(item: Item) -> Seen:
        request = request_for(item)
        fill = engine.fill(request)
        if engine.info.confidence == "unknown":
            raise BadData("the server tells no probabilities: there is nothing to calibrate")
        is_block = request.shape is Shape.BLOCK
        features = kept.server_features(fill.confidence, is_block=is_block)
        return Seen(features, fill.confidence, is_exact(item, fill.texts[0]))

    return look


def _fit(seen: Sequence[Seen], names: Sequence[str]) -> dict[str, float]:
    rows = [[each.features.get(name, 0.0) for name in names] for each in seen]
    weights = fit_calibration(rows, [each.is_exact for each in seen])
    return dict(zip(names, weights, strict=True))


__all__ = ["FEATURES", "SERVER_FEATURES", "calibrate", "look_at_model", "look_at_server"]
