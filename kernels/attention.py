"""Attention of several sequences over one shared prefix and their own keys.

The keys of a sequence are the prefix and then its own, numbered through. A program takes a block of
queries of one KV head, all heads of its group side by side, and a stretch of the keys; where there
are several stretches, kernels/attention_parts.py joins their parts. No mask is made: what a query
sees follows from its number.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs
# ruff: noqa: N803

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from kernels.attention_parts import join_parts_triton
from kernels.backend import card, ceil_div, dot, jit, launch, power_of_two, tl, uses_kernels

GRAIN = 32


def canvas_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    prefix_key: Tensor,
    prefix_value: Tensor,
    seen: int,
    length: Tensor | None = None,
) -> Tensor:
    """Every query sees its sequence's keys and the last `seen` of the prefix.

    `query` [B, H, T, D]; `key`, `value` [B, Hkv, T, D]; the prefix [1, Hkv, P, D] is read by every
    sequence. Not scaled: Gemma 4 puts the scale in the q and k norms. `length`, an int32 on the
    device, says how much of the prefix is filled, if not all of it. Returns [B, H, T, D].
    """
    uses = uses_kernels(query, key, value)
    chosen = canvas_attention_triton if uses else canvas_attention_reference
    return chosen(query, key, value, prefix_key, prefix_value, seen, length)


def causal_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    prefix_key: Tensor | None,
    prefix_value: Tensor | None,
    window: int | None,
    mask: Tensor,
) -> Tensor:
    """Query i, after a prefix of P, sees key j when j <= P + i and, with a window, P + i - j <
    window: `mask` [T, P + T] says the same for the reference."""
    if uses_kernels(query, key, value):
        return causal_attention_triton(query, key, value, prefix_key, prefix_value, window)
    return prefix_attention_reference(query, key, value, prefix_key, prefix_value, mask)


def prefix_attention_reference(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    prefix_key: Tensor | None,
    prefix_value: Tensor | None,
    mask: Tensor | None,
) -> Tensor:
    """Grouped-query attention without scaling; `mask`, boolean, broadcastable to [B, 1, T, P + T],
    is True where a query may look; None lets it look everywhere."""
    past = 0 if prefix_key is None else prefix_key.shape[2]
    # Keys that nobody sees: in bfloat16, torch compiles a kernel for every number of keys on a CPU,
    # and keeps them all.
    spare = -(past + key.shape[2]) % GRAIN
    if mask is None:
        mask = _all_but_last(past + key.shape[2] + spare, spare, query.device)
    else:
        mask = functional.pad(mask, (0, spare), value=False)
    key, value = _join_keys(prefix_key, key, spare), _join_keys(prefix_value, value, spare)
    # The heads of a group are as good as more queries of one: no key is copied for each.
    kv_heads, groups = key.shape[1], query.shape[1] // key.shape[1]
    query = query.reshape(query.shape[0], kv_heads, -1, query.shape[-1])
    if groups > 1 and mask.shape[-2] > 1:
        mask = mask.repeat(*[1] * (mask.ndim - 2), groups, 1)
    out = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=1.0)
    apart: Tensor = out.unflatten(2, (groups, -1)).flatten(1, 2)
    return apart


def _join_keys(prefix: Tensor | None, own: Tensor, spare: int) -> Tensor:
    """[B, Hkv, P + T + spare, D]: keys or values of the prefix, which every sequence shares, its
    own, and zeros."""
    batch, heads, _, size = own.shape
    parts = [own] if prefix is None else [prefix.expand(batch, -1, -1, -1), own]
    if spare:
        parts.append(own.new_zeros(1, 1, 1, 1).expand(batch, heads, spare, size))
    return torch.cat(parts, dim=2)


@lru_cache(maxsize=64)
def _all_but_last(keys: int, spare: int, device: torch.device) -> Tensor:
    """The mask [1, 1, 1, keys] of queries that see every key but the last `spare`."""
    return (torch.arange(keys, device=device) < keys - spare).view(1, 1, 1, keys)


prefix_attention = prefix_attention_reference


def canvas_attention_reference(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    prefix_key: Tensor,
    prefix_value: Tensor,
    seen: int,
    length: Tensor | None = None,
) -> Tensor:
    end = prefix_key.shape[2] if length is None else int(length)
    start = max(0, end - seen)
    prefix_key, prefix_value = prefix_key[:, :, start:end], prefix_value[:, :, start:end]
    return prefix_attention_reference(query, key, value, prefix_key, prefix_value, None)


def canvas_attention_triton(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    prefix_key: Tensor,
    prefix_value: Tensor,
    seen: int,
    length: Tensor | None = None,
) -> Tensor:
    return _attend(query, key, value, prefix_key, prefix_value, length, seen, causal=False)


def causal_attention_triton(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    prefix_key: Tensor | None,
    prefix_value: Tensor | None,
    window: int | None,
) -> Tensor:
    return _attend(query, key, value, prefix_key, prefix_value, None, window, causal=True)


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    prefix_key: Tensor | None,
    prefix_value: Tensor | None,
    length: Tensor | None,
    window: int | None,
    *,
    causal: bool,
) -> Tensor:
    batch, heads, rows, size = query.shape
    kv_heads = key.shape[1]
    if prefix_key is None or prefix_value is None:
        prefix_key, prefix_value = key[:1, :, :0], value[:1, :, :0]
    room = prefix_key.shape[2]
    window = room + rows if window is None else window
    groups = heads // kv_heads
    block_d = max(16, power_of_two(size))
    block_m = min(64 if block_d <= 256 else 32, max(16, power_of_two(groups * rows)))
    block_n = 32 if block_d <= 256 else 16
    blocks = ceil_div(rows * groups, block_m)
    keys = rows + (room if causal else min(room, window))
    splits = 1
    if not causal:
        # Two programs for each multiprocessor, but none with less than 128 keys.
        wanted = 2 * card(query.device).multiprocessors // max(batch * kv_heads * blocks, 1)
        splits = max(1, min(wanted, ceil_div(keys, 128)))
    # Laid out [B, T, H, D]: what follows wants the heads of a token together.
    out = query.new_empty(batch, rows, heads, size)
    wide, weight = None, None
    if splits > 1:
        wide = query.new_empty(splits, batch, rows, heads, size, dtype=torch.float32)
        weight = query.new_empty(splits, batch, rows, heads, 2, dtype=torch.float32)
    launch(
        _attention,
        (blocks, batch * kv_heads, splits),
        query,
        key,
        value,
        prefix_key,
        prefix_value,
        out if wide is None else wide,
        weight,
        length,
        rows,
        room,
        window,
        batch,
        *query.stride()[:3],
        *key.stride()[:3],
        *value.stride()[:3],
        *prefix_key.stride()[1:3],
        *prefix_value.stride()[1:3],
        KV_HEADS=kv_heads,
        GROUPS=groups,
        SIZE=size,
        CAUSAL=causal,
        SPLITS=splits,
        BLOCK_M=block_m,
        BLOCK_N=block_n,
        BLOCK_D=block_d,
        num_warps=8 if block_m * block_d > 8192 else 4,
        num_stages=2,
    )
    if wide is not None and weight is not None:
        join_parts_triton(wide, weight, out)
    return out.transpose(1, 2)


@jit
def _attention(
    query,
    key,
    value,
    prefix_key,
    prefix_value,
    out,
    weight,
    length,
    rows,
    room,
    window,
    batch,
    query_b,
    query_h,
    query_t,
    key_b,
    key_h,
    key_t,
    value_b,
    value_h,
    value_t,
    prefix_key_h,
    prefix_key_t,
    prefix_value_h,
    prefix_value_t,
    KV_HEADS: tl.constexpr,
    GROUPS: tl.constexpr,
    SIZE: tl.constexpr,
    CAUSAL: tl.constexpr,
    SPLITS: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    packed = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    token = packed // GROUPS
    sequence = (tl.program_id(1) // KV_HEADS).to(tl.int64)
    kv_head = tl.program_id(1) % KV_HEADS
    head = kv_head * GROUPS + packed % GROUPS
    split = tl.program_id(2)
    dim = tl.arange(0, BLOCK_D)
    is_row = token < rows
    is_dim = dim < SIZE

    filled = room
    if length is not None:
        filled = tl.load(length)
    if CAUSAL:
        # The first query of the block looks furthest back, the last one furthest on.
        earliest = filled + tl.program_id(0) * BLOCK_M // GROUPS
        begin = tl.maximum(earliest - window + 1, 0)
        end = filled + tl.minimum((tl.program_id(0) * BLOCK_M + BLOCK_M - 1) // GROUPS + 1, rows)
    else:
        begin = tl.maximum(filled - window, 0)
        end = filled + rows
    if SPLITS > 1:
        each = tl.cdiv(tl.cdiv(end - begin, SPLITS), BLOCK_N) * BLOCK_N
        begin += split * each
        end = tl.minimum(end, begin + each)

    queries = query + sequence * query_b + head * query_h + token * query_t
    q = tl.load(queries[:, None] + dim[None, :], mask=is_row[:, None] & is_dim[None, :], other=0.0)
    place = filled + token
    most = tl.full([BLOCK_M], -float("inf"), dtype=tl.float32)
    share = tl.zeros([BLOCK_M], dtype=tl.float32)
    total = tl.zeros([BLOCK_M, BLOCK_D], dtype=tl.float32)
    most, share, total = _stretch(
        q,
        prefix_key + kv_head * prefix_key_h,
        prefix_value + kv_head * prefix_value_h,
        prefix_key_t,
        prefix_value_t,
        begin,
        tl.minimum(end, filled),
        0,
        place,
        window,
        dim,
        is_dim,
        most,
        share,
        total,
        CAUSAL,
        BLOCK_N,
    )
    most, share, total = _stretch(
        q,
        key + sequence * key_b + kv_head * key_h,
        value + sequence * value_b + kv_head * value_h,
        key_t,
        value_t,
        tl.maximum(begin, filled),
        end,
        filled,
        place,
        window,
        dim,
        is_dim,
        most,
        share,
        total,
        CAUSAL,
        BLOCK_N,
    )
    at = ((split * batch + sequence) * rows + token) * (KV_HEADS * GROUPS) + head
    if SPLITS == 1:
        total /= share[:, None]
    else:
        tl.store(weight + 2 * at, most, mask=is_row)
        tl.store(weight + 2 * at + 1, share, mask=is_row)
    tl.store(
        out + at[:, None] * SIZE + dim[None, :],
        total.to(out.dtype.element_ty),
        mask=is_row[:, None] & is_dim[None, :],
    )


@jit
def _stretch(
    q,
    key,
    value,
    key_t,
    value_t,
    begin,
    end,
    number,
    place,
    window,
    dim,
    is_dim,
    most,
    share,
    total,
    CAUSAL: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Attend to keys `begin` to `end`, of which `number` is the first in memory: the running
    maximum, sum and weighted values after them."""
    for start in range(begin, end, BLOCK_N):
        at = start + tl.arange(0, BLOCK_N)
        inside = at < end
        where = (at - number).to(tl.int64)
        k = tl.load(
            key + where[None, :] * key_t + dim[:, None],
            mask=inside[None, :] & is_dim[:, None],
            other=0.0,
        )
        v = tl.load(
            value + where[:, None] * value_t + dim[None, :],
            mask=inside[:, None] & is_dim[None, :],
            other=0.0,
        )
        scores = dot(q, k, tl.zeros([q.shape[0], BLOCK_N], dtype=tl.float32))
        seen = inside[None, :]
        if CAUSAL:
            behind = (place - window)[:, None] < at[None, :]
            seen = seen & behind & (at[None, :] <= place[:, None])
        scores = tl.where(seen, scores, -float("inf"))
        higher = tl.maximum(most, tl.max(scores, axis=1))
        # A row that has seen nothing yet has no maximum: exp(-inf - 0) is 0, -inf - -inf is not.
        base = tl.where(higher == -float("inf"), 0.0, higher)
        p = tl.exp(scores - base[:, None])
        fade = tl.exp(most - base)
        share = share * fade + tl.sum(p, axis=1)
        total = dot(p.to(v.dtype), v, total * fade[:, None])
        most = higher
    return most, share, total
