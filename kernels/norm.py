"""RMSNorm, as Gemma 4 defines it: x / sqrt(mean(x^2) + eps) * weight, in float32 inside.

Three fusions beside it, for the places where a layer norms: they round where their references do.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs
# ruff: noqa: N803

from __future__ import annotations

import torch
from torch import Tensor

from kernels.backend import jit, launch, power_of_two, tl, uses_kernels


def rms_norm(x: Tensor, weight: Tensor | None, eps: float) -> Tensor:
    """Normalise the last dimension of `x`; the result has the dtype of `x`.

    The weight multiplies as it is (not 1 + weight); None leaves it out.
    """
    chosen = rms_norm_triton if uses_kernels(x, weight) else rms_norm_reference
    return chosen(x, weight, eps)


def add_norm(residual: Tensor, x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """residual + norm(x)."""
    chosen = add_norm_triton if uses_kernels(x, residual, weight) else add_norm_reference
    return chosen(residual, x, weight, eps)


def branch_norms(
    residual: Tensor, x: Tensor, weight: Tensor, first: Tensor, second: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """residual + norm(x) and that sum normed with the weight `first`; then the sum as rows [N, H],
    and those normed with `second`."""
    uses = uses_kernels(x, residual, weight, first, second)
    chosen = branch_norms_triton if uses else branch_norms_reference
    return chosen(residual, x, weight, first, second, eps)


def merge_norms(
    residual: Tensor,
    dense: Tensor,
    routed: Tensor,
    weights: tuple[Tensor, Tensor, Tensor],
    scalar: Tensor,
    eps: float,
) -> Tensor:
    """(residual + norm(norm(dense) + norm(routed))) * scalar; `weights` are those of the norms of
    `dense`, of `routed` and of their sum; `scalar` is the layer's, [1]."""
    uses = uses_kernels(residual, dense, routed, *weights)
    chosen = merge_norms_triton if uses else merge_norms_reference
    return chosen(residual, dense, routed, weights, scalar, eps)


def rms_norm_reference(x: Tensor, weight: Tensor | None, eps: float) -> Tensor:
    wide = x.float()
    normed = wide * torch.pow(wide.pow(2).mean(-1, keepdim=True) + eps, -0.5)
    if weight is not None:
        normed = normed * weight.float()
    return normed.to(x.dtype)


def add_norm_reference(residual: Tensor, x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return residual + rms_norm_reference(x, weight, eps)


def branch_norms_reference(
    residual: Tensor, x: Tensor, weight: Tensor, first: Tensor, second: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    total = add_norm_reference(residual, x, weight, eps)
    normed = rms_norm_reference(total, first, eps)
    rows = total.reshape(-1, total.shape[-1])
    return total, normed, rows, rms_norm_reference(rows, second, eps)


def merge_norms_reference(
    residual: Tensor,
    dense: Tensor,
    routed: Tensor,
    weights: tuple[Tensor, Tensor, Tensor],
    scalar: Tensor,
    eps: float,
) -> Tensor:
    of_dense, of_routed, of_sum = weights
    dense = rms_norm_reference(dense, of_dense, eps)
    routed = rms_norm_reference(routed, of_routed, eps)
    return (residual + rms_norm_reference(dense + routed, of_sum, eps)) * scalar


def rms_norm_triton(x: Tensor, weight: Tensor | None, eps: float) -> Tensor:
    x = x.contiguous()
    out = torch.empty_like(x)
    size = x.shape[-1]
    rows = x.numel() // max(size, 1)
    launch(_rms_norm, (rows,), x, weight, out, size, eps, BLOCK=power_of_two(size))
    return out


def add_norm_triton(residual: Tensor, x: Tensor, weight: Tensor, eps: float) -> Tensor:
    out = torch.empty_like(residual, memory_format=torch.contiguous_format)
    _branch(residual, x, weight, out, None, None, None, None, eps)
    return out


def branch_norms_triton(
    residual: Tensor, x: Tensor, weight: Tensor, first: Tensor, second: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    out = torch.empty_like(residual, memory_format=torch.contiguous_format)
    rows = out.view(-1, out.shape[-1])
    branches = torch.empty_like(out), torch.empty_like(rows)
    _branch(residual, x, weight, out, first, branches[0], second, branches[1], eps)
    return out, branches[0], rows, branches[1]


def merge_norms_triton(
    residual: Tensor,
    dense: Tensor,
    routed: Tensor,
    weights: tuple[Tensor, Tensor, Tensor],
    scalar: Tensor,
    eps: float,
) -> Tensor:
    residual, dense, routed = residual.contiguous(), dense.contiguous(), routed.contiguous()
    out = torch.empty_like(residual)
    size = out.shape[-1]
    block = power_of_two(size)
    rows = out.numel() // max(size, 1)
    launch(
        _merge_norms,
        (rows,),
        residual,
        dense,
        routed,
        *weights,
        scalar,
        out,
        size,
        eps,
        BLOCK=block,
        num_warps=8,
    )
    return out


def _branch(
    residual: Tensor,
    x: Tensor,
    weight: Tensor,
    out: Tensor,
    first: Tensor | None,
    first_out: Tensor | None,
    second: Tensor | None,
    second_out: Tensor | None,
    eps: float,
) -> None:
    size = out.shape[-1]
    rows = out.numel() // max(size, 1)
    launch(
        _branch_norms,
        (rows,),
        residual.contiguous(),
        x.contiguous(),
        weight,
        out,
        first,
        first_out,
        second,
        second_out,
        size,
        eps,
        BLOCK=power_of_two(size),
        num_warps=8,
    )


@jit
def _normed(x, weight, at, inside, size, eps):
    """A row of float32 zeros beyond `size`, normed and weighted."""
    scale = 1.0 / tl.sqrt(tl.sum(x * x, axis=0) / size + eps)
    normed = x * scale
    if weight is not None:
        normed *= tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)
    return normed


@jit
def _rms_norm(x, weight, out, size, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64) * size
    at = tl.arange(0, BLOCK)
    inside = at < size
    given = tl.load(x + row + at, mask=inside, other=0.0).to(tl.float32)
    normed = _normed(given, weight, at, inside, size, eps)
    tl.store(out + row + at, normed.to(out.dtype.element_ty), mask=inside)


@jit
def _branch_norms(
    residual,
    x,
    weight,
    out,
    first,
    first_out,
    second,
    second_out,
    size,
    eps,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64) * size
    at = tl.arange(0, BLOCK)
    inside = at < size
    dtype = out.dtype.element_ty
    given = tl.load(x + row + at, mask=inside, other=0.0).to(tl.float32)
    normed = _normed(given, weight, at, inside, size, eps).to(dtype).to(tl.float32)
    total = tl.load(residual + row + at, mask=inside, other=0.0).to(tl.float32) + normed
    rounded = total.to(dtype)
    tl.store(out + row + at, rounded, mask=inside)
    if first is not None:
        total = rounded.to(tl.float32)
        once = _normed(total, first, at, inside, size, eps)
        twice = _normed(total, second, at, inside, size, eps)
        tl.store(first_out + row + at, once.to(dtype), mask=inside)
        tl.store(second_out + row + at, twice.to(dtype), mask=inside)


@jit
def _merge_norms(
    residual,
    dense,
    routed,
    of_dense,
    of_routed,
    of_sum,
    scalar,
    out,
    size,
    eps,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64) * size
    at = tl.arange(0, BLOCK)
    inside = at < size
    dtype = out.dtype.element_ty
    left = tl.load(dense + row + at, mask=inside, other=0.0).to(tl.float32)
    right = tl.load(routed + row + at, mask=inside, other=0.0).to(tl.float32)
    left = _normed(left, of_dense, at, inside, size, eps).to(dtype).to(tl.float32)
    right = _normed(right, of_routed, at, inside, size, eps).to(dtype).to(tl.float32)
    both = (left + right).to(dtype).to(tl.float32)
    normed = _normed(both, of_sum, at, inside, size, eps).to(dtype).to(tl.float32)
    total = tl.load(residual + row + at, mask=inside, other=0.0).to(tl.float32) + normed
    total = total.to(dtype).to(tl.float32) * tl.load(scalar).to(tl.float32)
    tl.store(out + row + at, total.to(dtype), mask=inside)
