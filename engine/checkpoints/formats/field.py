"""What a format is: the stored tensors of a matrix, and how they become a weight for kernels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.weights import Weight

SCALAR = ((), (1,))  # writers disagree on whether a single number has a dimension


@dataclass(frozen=True, slots=True)
class Field:
    """A tensor that a weight takes: `role` in the format, any of `shapes` and `dtypes`."""

    role: str
    suffix: str
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stored matrix goes in a weight: rows `rows` of expert `expert` (0 where there are
    none), of which they are part `part`."""

    expert: int
    rows: slice
    part: int


@dataclass(frozen=True, slots=True)
class Format:
    """`fields(shape)` of a stored matrix [out, in]; raises ValueError for a shape it cannot have.

    `allocate(shape, parts, dtype, device)` an unwritten weight [.., out, in] whose rows fall into
    `parts` equal parts; `dtype` is for what is not `packed`. `put` writes one stored matrix.
    `packed`: kernels read the weight as it is stored; else it is floats once it is read.
    """

    name: str
    fields: Callable[[tuple[int, ...]], tuple[Field, ...]]
    allocate: Callable[[tuple[int, ...], int, torch.dtype, torch.device], Weight]
    put: Callable[[Weight, Place, Mapping[str, Tensor]], None]
    packed: bool = True


def allocate_floats(
    shape: tuple[int, ...], parts: int, dtype: torch.dtype, device: torch.device
) -> Weight:
    """For a format that is floats once it is read."""
    return torch.empty(shape, dtype=dtype, device=device)


def matrices(tensor: Tensor) -> Tensor:
    """[.., N, K] -> [E, N, K]."""
    return tensor.view(-1, *tensor.shape[-2:])


def vectors(tensor: Tensor) -> Tensor:
    """[.., N] -> [E, N]."""
    return tensor.view(-1, tensor.shape[-1])
