"""The canvases of a look, those of one length at a time: what is not there is not shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from engine.models.family import Look


def by_length(look: Look[Any], answer: Callable[[Look[Any]], Tensor]) -> Tensor:
    """Logits [B, M, V] of `look`, whose canvases of each length `answer` is asked for together."""
    if look.lengths is None:
        return answer(look)
    lengths = torch.tensor(look.lengths, device=look.canvas.device)
    found: Tensor | None = None
    for length in sorted(set(look.lengths)):
        rows = (lengths == length).nonzero().flatten()
        signal = None if look.signal is None else look.signal[rows, :length]
        part = answer(
            replace(
                look,
                canvas=look.canvas[rows, :length],
                positions=look.positions[rows].clamp_max(length - 1),
                signal=signal,
                lengths=None,
            )
        )
        if found is None:
            found = part.new_empty(len(look.canvas), *part.shape[1:])
        found[rows] = part
    assert found is not None
    return found


__all__ = ["by_length"]
