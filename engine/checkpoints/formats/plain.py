"""Float weights as they are: bf16 in Google's checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from engine.checkpoints.formats.field import Field, Format, Place, allocate_floats, matrices
from kernels.weights import Weight

FLOATS = ("BF16", "F32", "F16", "F64")


def _fields(shape: tuple[int, ...]) -> tuple[Field, ...]:
    return (Field("values", "weight", (shape,), FLOATS),)


def _put(weight: Weight, place: Place, stored: Mapping[str, Tensor]) -> None:
    assert isinstance(weight, Tensor)
    matrices(weight)[place.expert, place.rows].copy_(stored["values"])


PLAIN = Format("plain", _fields, allocate_floats, _put, packed=False)
