"""The router: which experts each token passes through, and in which order the experts see them."""
# mypy: allow-untyped-defs, allow-incomplete-defs
# ruff: noqa: N803

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from kernels.backend import ceil_div, dot, jit, launch, power_of_two, tl, uses_kernels
from kernels.norm import rms_norm_reference


def route(
    residual: Tensor,
    scale: Tensor,
    proj: Tensor,
    per_expert_scale: Tensor,
    top_k: int,
    eps: float,
) -> tuple[Tensor, Tensor]:
    """Index (int64) and weight (float32), [N, K] each, from the raw residual [N, H].

    softmax(proj @ (norm(residual) * scale / sqrt(H))), its top k renormalised to a sum of 1, then
    each times its expert's scale. `scale` [H], `proj` [E, H], `per_expert_scale` [E].
    """
    uses = uses_kernels(residual, scale, proj, per_expert_scale)
    chosen = route_triton if uses else route_reference
    return chosen(residual, scale, proj, per_expert_scale, top_k, eps)


def route_reference(
    residual: Tensor,
    scale: Tensor,
    proj: Tensor,
    per_expert_scale: Tensor,
    top_k: int,
    eps: float,
) -> tuple[Tensor, Tensor]:
    routed = rms_norm_reference(residual, None, eps) * scale * residual.shape[-1] ** -0.5
    probabilities = functional.linear(routed, proj).softmax(dim=-1, dtype=torch.float32)
    weight, index = probabilities.topk(top_k, dim=-1)
    weight = weight / weight.sum(dim=-1, keepdim=True)
    return index, weight * per_expert_scale[index]


@dataclass(frozen=True, slots=True)
class Order:
    """Assignments (token * K + slot) sorted by expert, [N * K] int32; expert e has those from
    `offset[e]` up to `offset[e + 1]`, [E + 1] int32."""

    assignment: Tensor
    offset: Tensor


def sort_tokens_reference(index: Tensor, experts: int) -> Order:
    """Stable. (The kernel's count never leaves the card.)"""
    flat = index.flatten()
    counts = torch.bincount(flat, minlength=experts)
    offset = functional.pad(counts.cumsum(0), (1, 0))
    return Order(flat.argsort(stable=True).int(), offset.int())


def route_triton(
    residual: Tensor,
    scale: Tensor,
    proj: Tensor,
    per_expert_scale: Tensor,
    top_k: int,
    eps: float,
) -> tuple[Tensor, Tensor]:
    rows, hidden = residual.shape
    experts = proj.shape[0]
    # A split of the hidden size reads a slice of `proj`: few rows alone would leave the card idle.
    splits = min(8, ceil_div(hidden, 64))
    length = 64 * ceil_div(ceil_div(hidden, 64), splits)
    device = residual.device
    logits = torch.empty(splits, rows, experts, dtype=torch.float32, device=device)
    squares = torch.empty(splits, rows, dtype=torch.float32, device=device)
    index = torch.empty(rows, top_k, dtype=torch.int64, device=device)
    weight = torch.empty(rows, top_k, dtype=torch.float32, device=device)
    block = max(16, power_of_two(experts))
    launch(
        _project,
        (ceil_div(rows, 16), splits),
        residual.contiguous(),
        scale,
        proj,
        logits,
        squares,
        rows,
        hidden,
        length,
        EXPERTS=experts,
        BLOCK_E=block,
        BLOCK_M=16,
        BLOCK_K=64,
        num_warps=4,
        num_stages=3,
    )
    launch(
        _choose,
        (ceil_div(rows, 4),),
        logits,
        squares,
        per_expert_scale,
        index,
        weight,
        rows,
        hidden,
        eps,
        SPLITS=splits,
        EXPERTS=experts,
        BLOCK_E=block,
        BLOCK_M=4,
        TOP_K=top_k,
        num_warps=4,
    )
    return index, weight


def sort_tokens_triton(index: Tensor, experts: int) -> Order:
    flat = index.reshape(-1)
    assignment = torch.empty(flat.shape, dtype=torch.int32, device=flat.device)
    offset = torch.empty(experts + 1, dtype=torch.int32, device=flat.device)
    launch(
        _sort_tokens,
        (experts,),
        flat,
        assignment,
        offset,
        flat.numel(),
        EXPERTS=experts,
        BLOCK=1024,
    )
    return Order(assignment, offset)


@jit
def _project(
    residual,
    scale,
    proj,
    logits,
    squares,
    rows,
    hidden,
    length,
    EXPERTS: tl.constexpr,
    BLOCK_E: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """One slice of the hidden size: x * scale @ proj^T, and the sum of squares, for the norm is a
    factor per row that can wait."""
    row = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    split = tl.program_id(1)
    expert = tl.arange(0, BLOCK_E)
    column = split * length + tl.arange(0, BLOCK_K)
    is_row = row < rows
    is_expert = expert < EXPERTS
    total = tl.zeros([BLOCK_M, BLOCK_E], dtype=tl.float32)
    square = tl.zeros([BLOCK_M, BLOCK_K], dtype=tl.float32)
    for start in range(0, length, BLOCK_K):
        at = column + start
        inside = at < hidden
        x = tl.load(
            residual + row[:, None].to(tl.int64) * hidden + at[None, :],
            mask=is_row[:, None] & inside[None, :],
            other=0.0,
        )
        taken = tl.load(
            proj + expert[:, None] * hidden + at[None, :],
            mask=is_expert[:, None] & inside[None, :],
            other=0.0,
        )
        by = tl.load(scale + at, mask=inside, other=0.0).to(tl.float32)
        wide = x.to(tl.float32)
        square += wide * wide
        left = (wide * by[None, :]).to(x.dtype)
        total = dot(left, tl.trans(taken), total)
    row += split * rows
    is_row &= row < (split + 1) * rows
    tl.store(squares + row, tl.sum(square, axis=1), mask=is_row)
    tl.store(
        logits + row[:, None].to(tl.int64) * EXPERTS + expert[None, :],
        total,
        mask=is_row[:, None] & is_expert[None, :],
    )


@jit
def _choose(
    logits,
    squares,
    per_expert_scale,
    index,
    weight,
    rows,
    hidden,
    eps,
    SPLITS: tl.constexpr,
    EXPERTS: tl.constexpr,
    BLOCK_E: tl.constexpr,
    BLOCK_M: tl.constexpr,
    TOP_K: tl.constexpr,
):
    row = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    expert = tl.arange(0, BLOCK_E)
    is_row = row < rows
    inside = is_row[:, None] & (expert < EXPERTS)[None, :]
    total = tl.zeros([BLOCK_M, BLOCK_E], dtype=tl.float32)
    square = tl.zeros([BLOCK_M], dtype=tl.float32)
    for split in tl.static_range(SPLITS):
        part = split * rows + row
        total += tl.load(
            logits + part[:, None].to(tl.int64) * EXPERTS + expert[None, :], mask=inside, other=0.0
        )
        square += tl.load(squares + part, mask=is_row, other=0.0)
    size = hidden.to(tl.float32)
    total *= (1.0 / tl.sqrt(square / size + eps) / tl.sqrt(size))[:, None]
    total = tl.where((expert < EXPERTS)[None, :], total, -float("inf"))
    likely = tl.exp(total - tl.max(total, axis=1)[:, None])

    # The softmax's own denominator falls out when the k are renormalised.
    slot = tl.arange(0, BLOCK_E)
    best = tl.zeros([BLOCK_M, BLOCK_E], dtype=tl.float32)
    chosen = tl.zeros([BLOCK_M, BLOCK_E], dtype=tl.int32)
    left = tl.where((expert < EXPERTS)[None, :], likely, -1.0)
    for k in tl.static_range(TOP_K):
        most = tl.max(left, axis=1)
        first = tl.min(tl.where(left == most[:, None], expert[None, :], BLOCK_E), axis=1)
        here = (slot == k)[None, :]
        best = tl.where(here, most[:, None], best)
        chosen = tl.where(here, first[:, None], chosen)
        left = tl.where(expert[None, :] == first[:, None], -1.0, left)
    best /= tl.sum(best, axis=1)[:, None]
    kept = is_row[:, None] & (slot < TOP_K)[None, :]
    best *= tl.load(per_expert_scale + chosen, mask=kept, other=0.0).to(tl.float32)
    out = row[:, None] * TOP_K + slot[None, :]
    tl.store(index + out, chosen.to(tl.int64), mask=kept)
    tl.store(weight + out, best, mask=kept)


@jit
def _sort_tokens(index, assignment, offset, count, EXPERTS: tl.constexpr, BLOCK: tl.constexpr):
    """One expert: count the assignments of those before it, then write its own after them."""
    expert = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    before = tl.zeros([BLOCK], dtype=tl.int32)
    for start in range(0, count, BLOCK):
        given = tl.load(index + start + at, mask=start + at < count, other=EXPERTS)
        before += (given < expert).to(tl.int32)
    place = tl.sum(before, axis=0)
    tl.store(offset + expert, place)
    for start in range(0, count, BLOCK):
        given = tl.load(index + start + at, mask=start + at < count, other=EXPERTS)
        mine = (given == expert).to(tl.int32)
        tl.store(assignment + place + tl.cumsum(mine, axis=0) - 1, start + at, mask=mine == 1)
        place += tl.sum(mine, axis=0)
    if expert == EXPERTS - 1:
        tl.store(offset + EXPERTS, place)
