"""How fast a denoising step could be: the bytes that it must read and the operations that it must
do, at what a device can.

Weights are read once for all canvases; what each of them is read for, its family says.
benchmarks/limits.py counts the same kernel by kernel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from engine.checkpoints.checkpoint import Checkpoint
from engine.models.family import StepSize, Work


@dataclass(frozen=True, slots=True)
class Rates:
    """What a device can: bytes and operations per second."""

    bandwidth: float
    operations: float

    def seconds(self, work: Work) -> float:
        return max(work.bytes / self.bandwidth, work.operations / self.operations)


def step_work(checkpoint: Checkpoint, dtype: torch.dtype, packed: bool, step: StepSize) -> Work:
    """Of one step of the model of `checkpoint`, loaded as `plan.loaded_bytes` says."""
    config = checkpoint.config
    total = config.attention_work(step, dtype.itemsize)
    for placed in checkpoint.placed:
        dequantised = math.prod(placed.shape) * dtype.itemsize
        stored = placed.nbytes if packed and placed.format.packed else dequantised
        total += config.weight_work(placed.name, placed.shape, stored, step)
    return total
