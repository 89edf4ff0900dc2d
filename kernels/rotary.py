"""Rotary position embedding, split-half layout, default and proportional."""
# mypy: allow-untyped-defs, allow-incomplete-defs
# ruff: noqa: N803

from __future__ import annotations

import torch
from torch import Tensor

from kernels.backend import jit, launch, power_of_two, tl, uses_kernels
from kernels.norm import rms_norm_reference


def rotary_frequencies(head_dim: int, theta: float, rotated: float = 1.0) -> Tensor:
    """Inverse frequencies, [head_dim / 2] in float32.

    `rotated` is the share of dimensions that turn (Gemma 4's "proportional" RoPE): the others get
    frequency 0, while the exponent keeps the whole `head_dim` as its denominator.
    """
    angles = int(rotated * head_dim // 2)
    exponent = torch.arange(0, 2 * angles, 2, dtype=torch.float32) / head_dim
    turning = 1.0 / (theta**exponent)
    return torch.cat((turning, torch.zeros(head_dim // 2 - angles)))


def rotary_angles(
    positions: Tensor, frequencies: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Cosine and sine for `positions` [..., T], each [..., T, head_dim] in `dtype`."""
    half = positions[..., None].float() * frequencies
    full = torch.cat((half, half), dim=-1)
    return full.cos().to(dtype), full.sin().to(dtype)


def norm_rotate(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_weight: Tensor,
    key_weight: Tensor,
    angles: tuple[Tensor, Tensor],
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """What attention reads: query and key [..., T, heads, D] normed and turned by angles [T, D],
    value normed without weight. `value` may be the very tensor that `key` is."""
    uses = uses_kernels(query, key, value, query_weight, key_weight)
    chosen = norm_rotate_triton if uses else norm_rotate_reference
    return chosen(query, key, value, query_weight, key_weight, angles, eps)


def rotate_reference(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn `x` [..., T, heads, head_dim] by angles [..., T, head_dim]."""
    first, second = x.chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    return x * cos.unsqueeze(-2) + turned * sin.unsqueeze(-2)


rotate = rotate_reference


def norm_rotate_reference(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_weight: Tensor,
    key_weight: Tensor,
    angles: tuple[Tensor, Tensor],
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    return (
        rotate_reference(rms_norm_reference(query, query_weight, eps), *angles),
        rotate_reference(rms_norm_reference(key, key_weight, eps), *angles),
        rms_norm_reference(value, None, eps),
    )


def norm_rotate_triton(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_weight: Tensor,
    key_weight: Tensor,
    angles: tuple[Tensor, Tensor],
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    query, key, value = query.contiguous(), key.contiguous(), value.contiguous()
    out = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
    length, heads, size = query.shape[-3:]
    kv_heads = key.shape[-2]
    tokens = query.numel() // max(heads * size, 1)
    launch(
        _norm_rotate,
        (tokens, heads + 2 * kv_heads),
        query,
        key,
        value,
        query_weight,
        key_weight,
        *angles,
        *out,
        length,
        eps,
        HEADS=heads,
        KV_HEADS=kv_heads,
        SIZE=size,
        HALF=power_of_two(size // 2),
        num_warps=1,
    )
    return out


@jit
def _norm_rotate(
    query,
    key,
    value,
    query_weight,
    key_weight,
    cos,
    sin,
    query_out,
    key_out,
    value_out,
    length,
    eps,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    SIZE: tl.constexpr,
    HALF: tl.constexpr,
):
    """One head of one token: the query's heads come first, then the key's, then the value's."""
    token = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)
    turn = (token % length) * SIZE
    cos += turn
    sin += turn
    if head < HEADS:
        row = (token * HEADS + head) * SIZE
        _one_head(query + row, query_weight, cos, sin, query_out + row, eps, SIZE, HALF)
    elif head < HEADS + KV_HEADS:
        row = (token * KV_HEADS + head - HEADS) * SIZE
        _one_head(key + row, key_weight, cos, sin, key_out + row, eps, SIZE, HALF)
    else:
        row = (token * KV_HEADS + head - HEADS - KV_HEADS) * SIZE
        _one_head(value + row, None, None, None, value_out + row, eps, SIZE, HALF)


@jit
def _one_head(x, weight, cos, sin, out, eps, SIZE: tl.constexpr, HALF: tl.constexpr):
    """Both halves of the head, [HALF] each; the second begins at SIZE // 2."""
    dtype = out.dtype.element_ty
    at = tl.arange(0, HALF)
    inside = at < SIZE // 2
    left = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    right = tl.load(x + SIZE // 2 + at, mask=inside, other=0.0).to(tl.float32)
    squares = tl.sum(left * left + right * right, axis=0)
    scale = 1.0 / tl.sqrt(squares / SIZE + eps)
    left *= scale
    right *= scale
    if weight is not None:
        left *= tl.load(weight + at, mask=inside, other=0.0).to(tl.float32)
        right *= tl.load(weight + SIZE // 2 + at, mask=inside, other=0.0).to(tl.float32)
    if cos is not None:
        left = left.to(dtype).to(tl.float32)
        right = right.to(dtype).to(tl.float32)
        left_cos = tl.load(cos + at, mask=inside, other=0.0).to(tl.float32)
        left_sin = tl.load(sin + at, mask=inside, other=0.0).to(tl.float32)
        right_cos = tl.load(cos + SIZE // 2 + at, mask=inside, other=0.0).to(tl.float32)
        right_sin = tl.load(sin + SIZE // 2 + at, mask=inside, other=0.0).to(tl.float32)
        turned = left * left_cos - right * left_sin
        right = right * right_cos + left * right_sin
        left = turned
    tl.store(out + at, left.to(dtype), mask=inside)
    tl.store(out + SIZE // 2 + at, right.to(dtype), mask=inside)
