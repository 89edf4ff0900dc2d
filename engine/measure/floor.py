"""How fast a denoising step could be: the bytes that it must read and the operations that it must
do, at what a device can.

Weights are read once for all canvases. Of the experts only those are read that a token is routed
to; routing is taken to be uniform. benchmarks/limits.py counts the same kernel by kernel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from engine.checkpoints.checkpoint import Checkpoint, Placed
from engine.models.diffusion_gemma import SLIDING, Config

EMBEDDING = "embed_tokens.weight"


@dataclass(frozen=True, slots=True)
class Rates:
    """What a device can: bytes and operations per second."""

    bandwidth: float
    operations: float


@dataclass(frozen=True, slots=True)
class Work:
    bytes: float
    operations: float

    def seconds(self, rates: Rates) -> float:
        return max(self.bytes / rates.bandwidth, self.operations / rates.operations)


@dataclass(frozen=True, slots=True)
class Shape:
    """A step: `candidates` canvases of `canvas` tokens, `open` of each to be resolved, after
    `context` tokens; and whether it reads what the step before believed."""

    candidates: int
    canvas: int
    open: int
    context: int
    self_conditioning: bool

    @property
    def tokens(self) -> int:
        return self.candidates * self.canvas


def step_work(checkpoint: Checkpoint, dtype: torch.dtype, packed: bool, shape: Shape) -> Work:
    """Of one step of the model of `checkpoint`, loaded as `plan.loaded_bytes` says."""
    config = checkpoint.config
    logits = shape.candidates * shape.open
    moved = operations = 0.0
    for placed in checkpoint.placed:
        size = math.prod(placed.shape)
        stored = placed.nbytes if packed and placed.format.packed else size * dtype.itemsize
        if placed.name == EMBEDDING:
            times = 1 + shape.self_conditioning  # the head; the soft embedding
            moved += stored * times
            operations += 2.0 * size * logits * times
        elif ".experts." in placed.name:
            chosen = config.top_k_experts / config.num_experts
            moved += stored * (1 - (1 - chosen) ** shape.tokens)
            operations += 2.0 * size * shape.tokens * chosen
        elif _is_read(placed, shape):
            moved += stored
            operations += 2.0 * size * shape.tokens if len(placed.shape) > 1 else 0.0
    attention = _attention(config, dtype.itemsize, shape)
    return Work(moved + attention.bytes, operations + attention.operations)


def _is_read(placed: Placed, shape: Shape) -> bool:
    return shape.self_conditioning or not placed.name.startswith("self_conditioning.")


def _attention(config: Config, item: int, shape: Shape) -> Work:
    """Sliding layers see the last window of the prompt, full ones all of it; both the canvas."""
    window = config.sliding_window - 1
    moved = operations = 0.0
    for kind in config.layer_types:
        sliding = kind == SLIDING
        seen = min(shape.context, window) if sliding else shape.context
        size = config.head_dim if sliding else config.global_head_dim
        heads = config.num_key_value_heads if sliding else config.num_global_key_value_heads
        moved += 2 * heads * size * item * (seen + shape.tokens)
        keys = seen + shape.canvas
        operations += 4.0 * config.num_attention_heads * size * shape.tokens * keys
    return Work(moved, operations)
