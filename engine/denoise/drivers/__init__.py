"""Who answers what fills ask of the model: `driver_of` says which driver a device gets.

eager     one pass over the weights for all questions, and each fill's own rule
captured  the whole step as a CUDA graph, where it can do what the rule does
"""

from __future__ import annotations

from typing import Any

from engine.denoise.drivers.captured import Captured
from engine.denoise.drivers.driver import Driver, run
from engine.denoise.drivers.eager import Eager
from engine.models.family import Model


def driver_of(model: Model[Any]) -> Driver:
    """Captured steps on a card; elsewhere there is nothing to capture them with."""
    return Captured(model) if model.device.type == "cuda" else Eager(model)


__all__ = ["Captured", "Driver", "Eager", "driver_of", "run"]
