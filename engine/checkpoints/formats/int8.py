"""INT8 weights: integers with one scale per output channel, as compressed-tensors writes them
("int-quantized").

    w[o, i] = weight[o, i] * weight_scale[o]

No kernel multiplies them: they are floats from the moment they are read. `quantise` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.checkpoints.formats.field import SCALAR, Field, Format, Place, allocate_floats, matrices
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


def _put(weight: Weight, place: Place, stored: Mapping[str, Tensor]) -> None:
    assert isinstance(weight, Tensor)
    scale = stored["scale"].float().view(-1, 1)
    matrices(weight)[place.expert, place.rows].copy_(stored["values"].float() * scale)


INT8 = Format("int8", _fields, allocate_floats, _put, packed=False)
