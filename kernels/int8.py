"""Products of int8 weights on CPUs that have instructions for them (VNNI, AMX).

    x[m, k] = row_scale[m] * (high[m, k] + low[m, k] / 254)
    y[m, n] = row_scale[m] * scale[n] * sum_k (high + low / 254)[m, k] * data[n, k]

An input is rounded when it comes, each row by a scale of its own, so that nothing is calibrated. It
takes two int8 digits: with one, what is large in a row leaves too little for the rest of it, and
at the few rows of a fill the weights that are read cost more than the second product.
oneDNN multiplies; it wants the weight in an order of its own (`prepack`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from kernels.weights import INT8

MOST = 127
DIGIT = 254  # of the lower digit in one of the higher: it is at most half of one, either way
LEAST_SCALE = 2.0**-100  # of a row of zeros


@dataclass(frozen=True, slots=True)
class Rounded:
    """Rows [M, K] of an input: `digits` [2 M, K] int8, the higher ones of all rows and then the
    lower ones; a float32 `scale` [M, 1] for each row."""

    digits: Tensor
    scale: Tensor


@dataclass(frozen=True, slots=True)
class Prepacked:
    """A weight [N, K] in oneDNN's order. `scale` [N] float32, `zero` [N] int64, all zero."""

    data: Tensor
    scale: Tensor
    zero: Tensor


@cache
def multiplies_int8() -> bool:
    """Whether this CPU multiplies int8 faster than floats, and this torch knows how."""
    has_operator = torch.backends.mkldnn.is_available() and hasattr(
        torch.ops.onednn, "qlinear_prepack"
    )
    return has_operator and torch.cpu._is_vnni_supported()


def prepack(weight: INT8) -> Prepacked:
    """`weight` [N, K] for `linear_int8`."""
    scale = weight.scale.float().contiguous()
    zero = torch.zeros(len(scale), dtype=torch.int64)
    return Prepacked(torch.ops.onednn.qlinear_prepack(weight.data.contiguous(), None), scale, zero)


def round_rows(x: Tensor) -> Rounded:
    """`x` [M, K] float32, each row to the nearest of 64,516 values."""
    scale = x.abs().amax(dim=-1, keepdim=True).mul_(1 / MOST).clamp_min_(LEAST_SCALE)
    exact = x * scale.reciprocal()
    high = exact.round()
    low = exact.sub_(high).mul_(DIGIT).round_()
    return Rounded(torch.cat((high, low)).to(torch.int8), scale)


def linear_int8(x: Rounded, weight: Prepacked) -> Tensor:
    """x [M, K] @ weight [N, K]^T, [M, N] float32."""
    products: Tensor = torch.ops.onednn.qlinear_pointwise(
        x.digits, 1.0, 0, weight.data, weight.scale, weight.zero,
        None, 1.0, 0, torch.float32, "none", [], "",
    )  # fmt: skip
    high, low = products.chunk(2)
    return high.add_(low, alpha=1 / DIGIT).mul_(x.scale)


def linear_int8_reference(x: Rounded, weight: INT8) -> Tensor:
    """The same from what `prepack` was given."""
    high, low = (x.digits.double() @ weight.data.double().T).chunk(2)
    return ((high + low / DIGIT) * x.scale * weight.scale.double()).float()
