"""Products with a matrix of the base and what is learnt beside it, whose gradients are written
where they belong.

A step uses each addition once, so its gradient is written into its `grad`, not added to it: nothing
is zeroed, made or copied. A CPU multiplies with a transposed first factor at less than half its
speed, so it is the narrow side that is transposed, and copied.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def product(x: Tensor, matrix: Tensor, down: Tensor, up: Tensor, scale: float) -> Tensor:
    """x M^T + scale * x D^T U: `x` [.., in], `matrix` [out, in], which gets no gradient, `down`
    [rank, in], `up` [rank, out]."""
    result: Tensor = _Product.apply(x, matrix, down, up, scale)  # type: ignore[no-untyped-call]
    return result


def gradient_of(weight: Tensor) -> Tensor:
    """Where the gradient of `weight` is to be written."""
    if weight.grad is None:
        weight.grad = torch.empty_like(weight)
    return weight.grad


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, matrix: Tensor, down: Tensor, up: Tensor, scale: float
    ) -> Tensor:
        rows = x.flatten(0, -2)
        low = (rows @ down.T) * scale
        found = rows @ matrix.T
        found.addmm_(low, up)
        ctx.save_for_backward(rows, low, matrix)
        ctx.down, ctx.up, ctx.scale = down, up, scale
        return found.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        rows, low, matrix = ctx.saved_tensors
        (gradient,) = gradients
        slopes = gradient.flatten(0, -2)
        to_low = (slopes @ ctx.up.T) * ctx.scale
        torch.mm(to_low.T.contiguous(), rows, out=gradient_of(ctx.down))
        torch.mm(low.T.contiguous(), slopes, out=gradient_of(ctx.up))
        to_rows = slopes @ matrix
        to_rows.addmm_(to_low, ctx.down)
        return to_rows.view(*gradient.shape[:-1], -1), None, None, None, None
