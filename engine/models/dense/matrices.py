"""The matrices of fused layers: what each takes of its input, and its product with that.

What several read is made ready once: `product(made_ready)` for each after one `ready(x)`.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import linear

from kernels.int8 import Rounded, linear_int8, prepack, round_rows
from kernels.weights import INT8, Weight


class Matrix(Protocol):
    """A weight [N, K], and a bias [N] or none."""

    def ready(self, x: Tensor, /) -> Any:
        """Of `x` [M, K] in any float type: what the product reads."""
        ...

    def __call__(self, ready: Any, /) -> Tensor:
        """[M, N] in a float type."""
        ...


class Floats:
    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self.weight, self.bias = weight, bias

    def ready(self, x: Tensor) -> Tensor:
        return x.to(self.weight.dtype)

    def __call__(self, ready: Tensor) -> Tensor:
        return linear(ready, self.weight, self.bias)


class Integers:
    def __init__(self, weight: INT8, bias: Tensor | None = None) -> None:
        self.weight = prepack(weight)
        self.bias = None if bias is None else bias.float()

    def ready(self, x: Tensor) -> Rounded:
        return round_rows(x.float())

    def __call__(self, ready: Rounded) -> Tensor:
        product = linear_int8(ready, self.weight)
        return product if self.bias is None else product.add_(self.bias)


def matrix_of(weight: Weight, bias: Tensor | None = None) -> Matrix:
    """For a weight in a format that a CPU multiplies: floats, or INT8."""
    if isinstance(weight, INT8):
        return Integers(weight, bias)
    assert isinstance(weight, Tensor)
    return Floats(weight, bias)


def joined(weights: list[Weight]) -> Weight:
    """[N, K] of weights [.., K] in one format, one below the other."""
    tensors = [weight for weight in weights if isinstance(weight, Tensor)]
    integers = [weight for weight in weights if isinstance(weight, INT8)]
    if not tensors:
        data = torch.cat([weight.data for weight in integers])
        return INT8(data, torch.cat([weight.scale for weight in integers]))
    assert not integers
    return torch.cat(tensors)


__all__ = ["Floats", "Integers", "Matrix", "joined", "matrix_of"]
