"""Products with weights whose gradients are written where they belong.

A step uses each matrix once, so its gradient is written into `weight.grad`, not added to it:
nothing is zeroed, made or copied. A CPU multiplies with a transposed first factor at less than half
its speed. So the narrow side is transposed for the gradient, and a matrix is stored the way in
which its gradient then comes out: [in, out] where its input is the narrow side, [out, in] where its
output is.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def product(x: Tensor, weight: Tensor) -> Tensor:
    """`x` [.., in] through `weight`, [in, out] or, where its rows are not as many as `x` has
    columns or it is square, [out, in]."""
    rows, columns = weight.shape
    turned = x.shape[-1] == rows and rows < columns
    result: Tensor = _Product.apply(x, weight, turned)  # type: ignore[no-untyped-call]
    return result


def embed(ids: Tensor, embedding: Tensor) -> Tensor:
    """`embedding` [V, H] at `ids`; its gradient is added, behind what the head has written."""
    result: Tensor = _Embed.apply(ids, embedding)  # type: ignore[no-untyped-call]
    return result


def gradient_of(weight: Tensor) -> Tensor:
    """Where the gradient of `weight` is to be written."""
    if weight.grad is None:
        weight.grad = torch.empty_like(weight)
    return weight.grad


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, turned: bool) -> Tensor:
        ctx.save_for_backward(x)
        ctx.weight, ctx.turned = weight, turned
        return x @ (weight if turned else weight.T)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        weight, turned, (gradient,) = ctx.weight, ctx.turned, gradients
        rows, slopes = x.flatten(0, -2), gradient.flatten(0, -2)
        narrow, wide = (rows, slopes) if turned else (slopes, rows)
        torch.mm(narrow.T.contiguous(), wide, out=gradient_of(weight))
        return gradient @ (weight.T if turned else weight), None, None


class _Embed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ids: Tensor, embedding: Tensor) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.embedding = embedding
        return torch.nn.functional.embedding(ids, embedding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None]:
        (ids,) = ctx.saved_tensors
        slopes = gradients[0].flatten(0, -2)
        gradient_of(ctx.embedding).index_add_(0, ids.flatten(), slopes)
        return None, None
