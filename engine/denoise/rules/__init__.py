"""The order in which open positions are accepted: what a step keeps, and when it was enough. One
file per rule, chosen by `Denoising.order`.

surest_first    "surest": DiffusionGemma's, for uniform noise
from_left       "left": of models that know slack
most_certain    "confidence", "entropy", "margin": as masked models are published, where what is
                chosen stays, and holes may grow and shrink (growing)
path_planning   "p2": the same, where what has become doubtful is masked again

Where holes are constrained, all of them let a Joint (joint.py) choose tokens that fit together.

Shapes as in engine/denoise/loop.py: B candidates, M open positions, V tokens. A row may hold
several holes, one after the other.
"""

from __future__ import annotations

from engine.denoise.canvas import Canvas
from engine.denoise.rules.from_left import FromLeft
from engine.denoise.rules.joint import Joint, Language
from engine.denoise.rules.most_certain import MostCertainFirst
from engine.denoise.rules.path_planning import PathPlanning
from engine.denoise.rules.rule import (
    MASKED,
    MOST_CERTAIN,
    BeliefRule,
    Denoising,
    Order,
    Reading,
    Rule,
)
from engine.denoise.rules.surest_first import SurestFirst


def rule_of(settings: Denoising, canvas: Canvas, joint: Joint | None = None) -> Rule:
    """A rule that has not seen a step yet, for these canvases as denoising begins with them, and
    their `joint` where holes are constrained."""
    match settings.order:
        case "surest":
            return SurestFirst(settings, joint)
        case "left":
            return FromLeft(settings, canvas, joint)
        case "p2":
            return PathPlanning(settings, canvas, joint)
        case _:
            return MostCertainFirst(settings, canvas, joint)


__all__ = [
    "MASKED",
    "MOST_CERTAIN",
    "BeliefRule",
    "Denoising",
    "FromLeft",
    "Joint",
    "Language",
    "MostCertainFirst",
    "Order",
    "PathPlanning",
    "Reading",
    "Rule",
    "SurestFirst",
    "rule_of",
]
