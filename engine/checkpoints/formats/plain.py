"""Float weights as they are: bf16 in Google's checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.checkpoints.formats.field import Field, Format, Place, matrices
from kernels.weights import Weight

FLOATS = ("BF16", "F32", "F16", "F64")


def _fields(shape: tuple[int, ...]) -> tuple[Field, ...]:
    return (Field("values", "weight", (shape,), FLOATS),)


def _allocate(
    shape: tuple[int, ...], parts: int, dtype: torch.dtype, device: torch.device
) -> Weight:
    return torch.empty(shape, dtype=dtype, device=device)


def _put(weight: Weight, place: Place, stored: Mapping[str, Tensor]) -> None:
    assert isinstance(weight, Tensor)
    matrices(weight)[place.expert, place.rows].copy_(stored["values"])


PLAIN = Format("plain", _fields, _allocate, _put, packed=False)
