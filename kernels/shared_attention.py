"""Attention on a CPU after a long prefix of which every query sees the most: there is no mask over
that part, and no copy of it beside each sequence.

It is attended to by itself, by all sequences at once, and so are the keys that are left; the two
results are joined in the ratio of their sums of exponentials.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from kernels.attention import GRAIN


def shares(query: Tensor) -> bool:
    """Whether `shared_attention` serves `query`: it has no gradient, and no more than float32."""
    exact_enough = query.dtype != torch.float64
    return query.device.type == "cpu" and exact_enough and not torch.is_grad_enabled()


def shared_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    prefix_key: Tensor,
    prefix_value: Tensor,
    shared: int,
    mask: Tensor | None = None,
) -> Tensor:
    """`query` [B, H, T, D], `key` and `value` [B, Hkv, T, D]; the prefix [1, Hkv, P, D] is that of
    every sequence. All see its first `shared` keys, and of the P - shared + T others what `mask`
    [T, P - shared + T] says; without one, all. Not scaled. Returns [B, H, T, D].
    """
    batch, kv_heads, rows, size = key.shape
    groups = query.shape[1] // kv_heads
    whole = shared // GRAIN * GRAIN  # as torch compiles a kernel for every number of keys
    spare = -(prefix_key.shape[2] - whole + rows) % GRAIN
    own_key = _beside(key, prefix_key[:, :, whole:], spare)
    own_value = _beside(value, prefix_value[:, :, whole:], spare)
    bias = None
    if mask is not None or spare:
        seen = mask if mask is not None else query.new_ones(1, own_key.shape[2] - spare).bool()
        seen = pad(pad(seen, (own_key.shape[2] - spare - seen.shape[1], 0), value=True), (0, spare))
        bias = torch.zeros(seen.shape, dtype=query.dtype).masked_fill_(~seen, -torch.inf)
        bias = bias.repeat(groups, 1) if len(bias) > 1 else bias.expand(groups * rows, -1)
        bias = bias[None, None]
    # The heads of a group are as good as more queries of one: no key is copied for each.
    grouped = query.reshape(batch, kv_heads, groups * rows, size)
    near, near_sum = _attend(grouped, own_key, own_value, bias)
    if whole:
        together = grouped.transpose(0, 1).reshape(1, kv_heads, -1, size)
        prefix = prefix_key[:, :, :whole], prefix_value[:, :, :whole]
        far, far_sum = (
            each.unflatten(2, (batch, -1)).squeeze(0).transpose(0, 1)
            for each in _attend(together, *prefix, None)
        )
        share = torch.sigmoid(far_sum - near_sum)[..., None]
        near = torch.lerp(near.float(), far.float(), share).to(query.dtype)
    apart: Tensor = near.unflatten(2, (groups, -1)).flatten(1, 2)
    return apart


def _beside(own: Tensor, prefix: Tensor, spare: int) -> Tensor:
    """[B, Hkv, P + T + spare, D]: keys or values of a prefix and of a sequence, and zeros."""
    parts = [prefix.expand(len(own), -1, -1, -1), own]
    if spare:
        parts.append(own.new_zeros(1, 1, 1, 1).expand(*own.shape[:2], spare, own.shape[3]))
    return torch.cat(parts, dim=2)


def _attend(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor]:
    """What is seen, and the logarithms of the sums of exponentials [B, H, T]."""
    seen, sums = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, 0.0, False, attn_mask=bias, scale=1.0
    )
    return seen, sums
