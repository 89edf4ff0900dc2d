"""FP8 weights: E4M3 values with one scale per output channel, as compressed-tensors writes them.

    w[o, i] = float(weight[o, i]) * weight_scale[o]

A single scale for the whole matrix (modelopt's FP8) is the same with all channels alike.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.checkpoints.formats.field import SCALAR, Field, Format, Place, matrices, vectors
from kernels import weights
from kernels.weights import Weight


def _fields(shape: tuple[int, ...]) -> tuple[Field, ...]:
    rows = shape[0]
    return (
        Field("values", "weight", (shape,), ("F8_E4M3",)),
        Field("scale", "weight_scale", ((rows, 1), (rows,), *SCALAR), ("F32", "BF16", "F16")),
    )


def _allocate(
    shape: tuple[int, ...], parts: int, dtype: torch.dtype, device: torch.device
) -> Weight:
    return weights.FP8(
        torch.empty(shape, dtype=torch.float8_e4m3fn, device=device),
        torch.empty(shape[:-1], dtype=torch.float32, device=device),
    )


def _put(weight: Weight, place: Place, stored: Mapping[str, Tensor]) -> None:
    assert isinstance(weight, weights.FP8)
    matrices(weight.data)[place.expert, place.rows].copy_(stored["values"])
    scale = vectors(weight.scale)[place.expert, place.rows]
    scale.copy_(stored["scale"].flatten().expand_as(scale))


FP8 = Format("fp8", _fields, _allocate, _put)
