"""INT8 weights: integers with one scale per output channel, as compressed-tensors writes them
("int-quantized").

    w[o, i] = weight[o, i] * weight_scale[o]

CPUs multiply them (kernels/int8.py). `quantise` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.checkpoints.formats.field import SCALAR, Field, Format, Place, matrices, vectors
from kernels import weights
from kernels.weights import Weight

MOST = 127


def quantise(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Of `matrix` [out, in]: int8 values of its shape, and bfloat16 scales [out, 1]."""
    wide = matrix.float()
    # Rounded before it is used, so that its own error goes into the values it scales.
    scale = (wide.abs().amax(dim=-1, keepdim=True) / MOST).clamp_min(2**-100).bfloat16()
    values = (wide / scale.float()).round().clamp(-MOST, MOST)
    return values.to(torch.int8), scale


def _fields(shape: tuple[int, ...]) -> tuple[Field, ...]:
    rows = shape[0]
    return (
        Field("values", "weight", (shape,), ("I8",)),
        Field("scale", "weight_scale", ((rows, 1), (rows,), *SCALAR), ("BF16", "F32", "F16")),
    )


def allocate_int8(
    shape: tuple[int, ...], parts: int, dtype: torch.dtype, device: torch.device
) -> Weight:
    """For a format that is INT8 once it is read."""
    return weights.INT8(
        torch.empty(shape, dtype=torch.int8, device=device),
        torch.empty(shape[:-1], dtype=torch.float32, device=device),
    )


def _put(weight: Weight, place: Place, stored: Mapping[str, Tensor]) -> None:
    assert isinstance(weight, weights.INT8)
    matrices(weight.data)[place.expert, place.rows].copy_(stored["values"])
    scale = vectors(weight.scale)[place.expert, place.rows]
    scale.copy_(stored["scale"].flatten().expand_as(scale))


INT8 = Format("int8", _fields, allocate_int8, _put, packed=False)
