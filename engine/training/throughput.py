"""How fast training goes, beside how fast the machine multiplies matrices."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

from engine.models.family import Model
from engine.models.training import training_of
from engine.training.settings import Settings

SIZE = 1024  # of the square matrices that are multiplied to measure
SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Work:
    """What one step does: text tokens read causally, and operations in matrix products, forward
    and backward; attention's own products are left out."""

    tokens: int
    operations: float

    @classmethod
    def of(cls, settings: Settings, model: Model[Any], *, causal: bool) -> Work:
        data, schedule = settings.data, settings.schedule
        chunks = schedule.causal_chunks if causal else data.chunks
        tokens = chunks * data.chunk_tokens
        canvases = 0 if causal else chunks * data.canvases * data.canvas_tokens
        return cls(tokens, 6.0 * training_of(model).weights_met(model) * (tokens + canvases))

    def describe(self, seconds: float, peak: float) -> str:
        """Of a step that took `seconds`, on a device of `peak` operations a second."""
        rate = self.operations / seconds
        return (
            f"{self.tokens / seconds:,.0f} tokens/s, {rate / 1e9:,.0f} GFLOP/s: "
            f"{rate / peak:.0%} of the {peak / 1e9:,.0f} measured here"
        )


def matmul_rate(device: torch.device, processes: int = 1) -> float:
    """Operations a second of a bfloat16 matrix product, as fast as this device does it; of all
    `processes` together."""
    matrix = torch.randn(SIZE, SIZE, device=device, dtype=torch.bfloat16)
    best = float("inf")
    end = time.monotonic() + SECONDS
    torch.mm(matrix, matrix)
    while time.monotonic() < end:
        _wait(device)
        started = time.perf_counter()
        torch.mm(matrix, matrix)
        _wait(device)
        best = min(best, time.perf_counter() - started)
    return processes * 2 * SIZE**3 / best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
