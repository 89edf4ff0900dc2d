"""Attention of several sequences over one shared prefix and their own keys."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def prefix_attention_reference(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    prefix_key: Tensor | None,
    prefix_value: Tensor | None,
    mask: Tensor | None,
) -> Tensor:
    """Grouped-query attention without scaling (Gemma 4 puts the scale in the q and k norms).

    `query` [B, H, T, D]; `key`, `value` [B, Hkv, T, D]; the prefix [1, Hkv, P, D] is read by every
    sequence of the batch. `mask` is boolean, broadcastable to [B, 1, T, P + T], True where a query
    may look; None lets it look everywhere. Returns [B, H, T, D].
    """
    batch = query.shape[0]
    if prefix_key is not None and prefix_value is not None and prefix_key.shape[2]:
        key = torch.cat((prefix_key.expand(batch, -1, -1, -1), key), dim=2)
        value = torch.cat((prefix_value.expand(batch, -1, -1, -1), value), dim=2)
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key = key.repeat_interleave(groups, dim=1)
        value = value.repeat_interleave(groups, dim=1)
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=1.0)


prefix_attention = prefix_attention_reference
