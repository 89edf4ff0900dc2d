"""A weight without its format: dequantised, one matrix at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.checkpoints.formats.field import matrices, vectors
from kernels.weights import FP8, INT8, NVFP4, Weight, dequantise


def whole(weight: Weight, dtype: torch.dtype) -> Tensor:
    """`weight` as a tensor. It goes through float32, which for all experts of a layer at once would
    take gigabytes: so one after the other."""
    if isinstance(weight, Tensor):
        return weight.to(dtype)
    out = torch.empty(weight.shape, dtype=dtype, device=weight.data.device)
    for expert, target in enumerate(matrices(out)):
        target.copy_(dequantise(_expert(weight, expert), dtype))
    return out


def nbytes(weight: Weight) -> int:
    """What the weight takes on its device."""
    if isinstance(weight, Tensor):
        return weight.nbytes
    if isinstance(weight, FP8 | INT8):
        return weight.data.nbytes + weight.scale.nbytes
    return weight.data.nbytes + weight.scale.nbytes + weight.tensor_scale.nbytes


def _expert(weight: FP8 | INT8 | NVFP4, expert: int) -> Weight:
    if isinstance(weight, FP8 | INT8):
        return type(weight)(matrices(weight.data)[expert], vectors(weight.scale)[expert])
    return NVFP4(
        matrices(weight.data)[expert],
        matrices(weight.scale)[expert],
        vectors(weight.tensor_scale)[expert],
    )
