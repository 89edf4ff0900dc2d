"""What is learnt: for the tokens of canvases a low-rank addition to every matrix of every layer,
and the rows of the ids that the base never used.

The addition is that of LoRA (Hu et al. 2021, https://arxiv.org/abs/2106.09685): x D^T U, where U
begins at zero. Chunks are read by the base as it is, so that it forgets nothing, and what it reads
needs no gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.checkpoints.low_rank import A, B
from engine.models.dense.config import PREFIX
from engine.training.adapt.model import TAUGHT, TAUGHT_ROWS, Dimensions, Shapes, parted
from engine.training.adapt.settings import Adapters

CANVAS_ADAPTER = "canvas.safetensors"


def shapes(dimensions: Dimensions, adapters: Adapters) -> Shapes:
    """Such as "N.qkv.down" [rank, in], "N.qkv.up" [rank, out]."""
    found: Shapes = {TAUGHT_ROWS: (len(TAUGHT), dimensions.hidden_size)}
    for name, shape in dimensions.shapes().items():
        if "." in name and len(shape) == 2:
            out, into = shape
            found |= {f"{name}.down": (adapters.rank, into), f"{name}.up": (adapters.rank, out)}
    return found


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
        added = up.T * (adapters.scale / adapters.rank)
        for part, block in parted(matrix, added, dimensions):
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
    noise = torch.randn(into[TAUGHT_ROWS].shape, generator=generator)
    into[TAUGHT_ROWS].copy_(text.mean(0) + 0.3 * text.std(0) * noise)
