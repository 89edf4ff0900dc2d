"""How many tokens the published samplers choose at each step."""

from __future__ import annotations

from functools import lru_cache

import torch

from engine.denoise.rules.rule import Rounding

LAST_TIME = 1e-3  # Dream and Open-dLLM end a little before there is no noise left


@lru_cache(maxsize=256)
def spread(masked: int, steps: int, rounding: Rounding) -> tuple[int, ...]:
    """`masked` tokens over at most `steps` steps, as noise that falls on a line leaves them: of
    those that are left at time t, the share 1 - s / t by time s. Steps that would choose nothing
    are left out, because nothing changes in them."""
    counts = []
    for number in range(1, steps + 1):
        count = masked
        if number < steps:
            count = min(masked, _step(masked, number, steps, rounding))
        masked -= count
        if count:
            counts.append(count)
    return tuple(counts)


def _step(masked: int, number: int, steps: int, rounding: Rounding) -> int:
    if rounding == "nearest":
        then, now = (steps - number) / steps, (steps - number + 1) / steps
        return round(masked * (1 - then / now))
    times = torch.linspace(1, LAST_TIME, steps + 1)  # in float32, which rounds some down
    return int(masked * (1 - times[number] / times[number - 1]))


__all__ = ["spread"]
