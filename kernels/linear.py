"""Dense linear layers in every weight format; a plain bfloat16 weight is left to torch."""
# mypy: allow-untyped-defs, allow-incomplete-defs
# ruff: noqa: N803

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from kernels.backend import card, ceil_div, jit, launch, tl, uses_kernels
from kernels.products import products, scaled
from kernels.tiles import inputs, parts, tile_of
from kernels.weights import Weight, dequantise


def linear(x: Tensor, weight: Weight) -> Tensor:
    """x [.., K] @ weight [N, K]^T, [.., N]."""
    if isinstance(weight, Tensor):
        return functional.linear(x, weight)
    return (linear_triton if uses_kernels(x) else linear_reference)(x, weight)


def linear_reference(x: Tensor, weight: Weight) -> Tensor:
    return functional.linear(x, dequantise(weight, x.dtype))


def linear_triton(x: Tensor, weight: Weight) -> Tensor:
    size, columns = weight.shape
    rows = x.numel() // columns
    out = torch.empty(*x.shape[:-1], size, dtype=x.dtype, device=x.device)
    this = card(x.device)
    given = parts(weight, this)
    read = inputs(x.reshape(rows, columns), given.format)
    m = 16 if rows <= 16 else 32 if rows <= 32 else 64
    n, k = tile_of(given.format, columns, this)
    launch(
        _linear,
        (ceil_div(rows, m), ceil_div(size, n)),
        read.data,
        read.scale,
        read.row_scale,
        given.data,
        given.scale,
        given.tensor_scale,
        out,
        rows,
        columns,
        size,
        size // (given.tensor_scale.numel() if given.tensor_scale is not None else 1),
        FORMAT=given.format,
        MASKED=bool(size % n or columns % k),
        BLOCK_M=m,
        BLOCK_N=n,
        BLOCK_K=k,
        num_warps=4,
        num_stages=4,
    )
    return out


@jit
def _linear(
    x,
    x_scale,
    row_scale,
    data,
    scale,
    tensor_scale,
    out,
    rows,
    columns,
    size,
    per_tensor,
    FORMAT: tl.constexpr,
    MASKED: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """Blocks of tokens are neighbours in the grid: what one reads of the weights, all do."""
    token = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    row = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    from_row = tl.minimum(token, rows - 1)
    zeros = tl.zeros([BLOCK_N, BLOCK_M], dtype=tl.float32)
    total, _ = products(
        zeros,
        zeros,
        x,
        x_scale,
        from_row,
        data,
        scale,
        row.to(tl.int64),
        size,
        columns,
        FORMAT,
        MASKED,
        False,
        BLOCK_N,
        BLOCK_K,
    )
    total = scaled(total, scale, tensor_scale, row_scale, from_row, row, size, per_tensor, FORMAT)
    tl.store(
        out + token[None, :].to(tl.int64) * size + row[:, None],
        total.to(out.dtype.element_ty),
        mask=(token < rows)[None, :] & (row < size)[:, None],
    )
