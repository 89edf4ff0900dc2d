"""The expected embedding of rows of probabilities, which `_head` left as exponentials by block.

`_soften` multiplies them by the embedding, in as many stretches of the vocabulary as fill the card;
`_reduce` adds the stretches' parts, in their order.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs
# ruff: noqa: N803

from __future__ import annotations

import torch
from torch import Tensor

from kernels.backend import card, ceil_div, dot, jit, launch, tl


def soft_embedding_reference(p: Tensor, embedding: Tensor, scale: float) -> Tensor:
    """p [R, V] @ embedding [V, H] * scale, [R, H]."""
    return (p @ embedding) * scale


def soft_embedding_triton(
    powers: Tensor,
    factors: Tensor,
    embedding: Tensor,
    scale: float,
    out: Tensor,
    tile: tuple[int, int],
) -> None:
    """The same into `out` [R, H], of p = powers * factors: `powers` [R, V], and `factors` [blocks,
    R] float32, one for each block of the vocabulary. `tile`: how many rows a program takes, and how
    many tokens a block has."""
    block_m, block_v = tile
    rows, tokens = powers.shape
    size = embedding.shape[1]
    blocks = factors.shape[0]
    block_n = 128
    tiles = ceil_div(rows, block_m) * ceil_div(size, block_n)
    wanted = ceil_div(2 * card(powers.device).multiprocessors, max(tiles, 1))
    splits = max(1, min(wanted, blocks // 8))
    soft = torch.empty(splits, rows, size, dtype=torch.float32, device=powers.device)
    launch(
        _soften,
        (ceil_div(rows, block_m), ceil_div(size, block_n), splits),
        powers,
        factors,
        embedding,
        soft,
        rows,
        tokens,
        size,
        ceil_div(blocks, splits),
        BLOCK_M=block_m,
        BLOCK_N=block_n,
        BLOCK_V=block_v,
        BLOCK_K=64,
        num_warps=8 if block_m >= 64 else 4,
        num_stages=3,
    )
    launch(
        _reduce,
        (rows, ceil_div(size, 1024)),
        soft,
        out,
        rows,
        size,
        scale,
        SPLITS=splits,
        BLOCK=1024,
    )


@jit
def _soften(
    powers,
    factors,
    embedding,
    out,
    rows,
    tokens,
    size,
    each,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_V: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """out[split] = probabilities @ embedding over the split's `each` blocks of the vocabulary."""
    row = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    column = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    split = tl.program_id(2)
    step = tl.arange(0, BLOCK_K)
    is_row = row < rows
    is_column = column < size
    read = tl.minimum(row, rows - 1)
    begin = split * each * BLOCK_V
    total = tl.zeros([BLOCK_M, BLOCK_N], dtype=tl.float32)
    for start in range(begin, tl.minimum(begin + each * BLOCK_V, tokens), BLOCK_K):
        token = start + step
        inside = token < tokens
        power = tl.load(
            powers + read[:, None].to(tl.int64) * tokens + token[None, :],
            mask=inside[None, :],
            other=0.0,
        )
        factor = tl.load(factors + start // BLOCK_V * rows + read)
        e = tl.load(
            embedding + token[:, None].to(tl.int64) * size + column[None, :],
            mask=inside[:, None] & is_column[None, :],
            other=0.0,
        )
        total = dot((power.to(tl.float32) * factor[:, None]).to(e.dtype), e, total)
    tl.store(
        out + (split * rows + row)[:, None].to(tl.int64) * size + column[None, :],
        total,
        mask=is_row[:, None] & is_column[None, :],
    )


@jit
def _reduce(soft, out, rows, size, scale, SPLITS: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < size
    total = tl.zeros([BLOCK], dtype=tl.float32)
    for split in range(SPLITS):
        total += tl.load(soft + (split * rows + row) * size + at, mask=inside, other=0.0)
    tl.store(out + row * size + at, (total * scale).to(out.dtype.element_ty), mask=inside)
