"""The order in which open positions are accepted: what a step keeps, and when it was enough. One
file per rule, chosen by `Denoising.order`.

Shapes as in engine/denoise/loop.py: B candidates, M open positions, V tokens. A row may hold
several holes, one after the other.
"""

from __future__ import annotations

from engine.denoise.canvas import Canvas
from engine.denoise.rules.from_left import FromLeft
from engine.denoise.rules.rule import Denoising, Reading, Rule
from engine.denoise.rules.surest_first import SurestFirst


def rule_of(settings: Denoising, canvas: Canvas) -> Rule:
    """A rule that has not seen a step yet, for these canvases."""
    return FromLeft(settings, canvas) if settings.order == "left" else SurestFirst(settings)


__all__ = ["Denoising", "FromLeft", "Reading", "Rule", "SurestFirst", "rule_of"]
