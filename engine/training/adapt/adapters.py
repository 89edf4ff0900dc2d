"""What is learnt: for the tokens of canvases a low-rank addition to every matrix of every layer,
and the rows of the ids that the base never used.

The addition is that of LoRA (Hu et al. 2021, https://arxiv.org/abs/2106.09685): x D^T U, where U
begins at zero. Chunks are read by the base as it is, so that it forgets nothing, and what it reads
needs no gradient.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.checkpoints.low_rank import A, B
from engine.models.dense.config import PREFIX
from engine.training.adapt.model import TAUGHT, Dimensions, parts_of, rows_of
from engine.training.adapt.settings import Adapters

ROWS = "rows"
CANVAS_ADAPTER = "canvas.safetensors"


def shapes(dimensions: Dimensions, adapters: Adapters) -> dict[str, tuple[int, ...]]:
    """By name, in the order of the flat buffer: "N.qkv.down" [rank, in], "N.qkv.up" [rank, out]."""
    found: dict[str, tuple[int, ...]] = {ROWS: (len(TAUGHT), dimensions.hidden_size)}
    for name, shape in dimensions.shapes().items():
        if "." in name and len(shape) == 2:
            out, into = shape
            found |= {f"{name}.down": (adapters.rank, into), f"{name}.up": (adapters.rank, out)}
    return found


def views(flat: Tensor, shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The parts of a flat buffer, by name."""
    found: dict[str, Tensor] = {}
    at = 0
    for name, shape in shapes.items():
        size = math.prod(shape)
        found[name] = flat[at : at + size].view(shape)
        at += size
    return found


def size_of(shapes: dict[str, tuple[int, ...]]) -> int:
    """Elements of the flat buffer."""
    return sum(math.prod(shape) for shape in shapes.values())


def to_checkpoint(
    learnt: dict[str, Tensor], dimensions: Dimensions, adapters: Adapters
) -> dict[str, Tensor]:
    """What is learnt for canvases as engine/checkpoints/low_rank.py adds it to weights, in
    bfloat16, under the names that these have there."""
    found: dict[str, Tensor] = {}
    for name, up in learnt.items():
        matrix, _, side = name.rpartition(".")
        if side != "up":
            continue
        down = learnt[f"{matrix}.down"].bfloat16()
        blocks = (up.T * (adapters.scale / adapters.rank)).split(rows_of(matrix, dimensions))
        for part, block in zip(parts_of(matrix), blocks, strict=True):
            here = part.removeprefix(PREFIX)
            found[here + A] = down.clone()
            found[here + B] = block.bfloat16().contiguous()
    return found


def begin(into: dict[str, Tensor], embedding: Tensor, seed: int) -> None:
    """Additions of zero; rows at the mean of the `embedding`'s [V, H], apart by noise of its
    spread."""
    generator = torch.Generator().manual_seed(seed)
    for name, view in into.items():
        if name.endswith(".down"):
            bound = view.shape[1] ** -0.5
            view.copy_((2 * torch.rand(view.shape, generator=generator) - 1) * bound)
        elif name.endswith(".up"):
            view.zero_()
    text = embedding.float()
    noise = torch.randn(into[ROWS].shape, generator=generator)
    into[ROWS].copy_(text.mean(0) + 0.3 * text.std(0) * noise)
