"""One look at the canvases of several fills, each after a prompt of its own.

The weights are read once for all of them. Attention alone is done fill by fill: no prompt is padded
to the length of another, and no canvas sees one that is not its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.models.diffusion_gemma.config import SLIDING
from engine.models.family import Look
from engine.models.kv_cache import KVCache
from kernels.attention import canvas_attention

if TYPE_CHECKING:
    from engine.models.diffusion_gemma.model import DiffusionGemma


def look_together(model: DiffusionGemma, looks: Sequence[Look[KVCache]]) -> list[Tensor]:
    """The logits [B, M, V] of each look, as `model.decode` gives them one by one."""
    # To every operation but attention the canvases are one long row of tokens.
    hidden = torch.cat([_begin(model, look) for look in looks]).unsqueeze(0)
    positions = torch.cat([_positions(look) for look in looks])
    sizes = [look.canvas.numel() for look in looks]
    window = model.config.sliding_window - 1

    def attend(index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        slides = model.config.layer_types[index] == SLIDING
        own = (each.split(sizes, dim=2) for each in (query, key, value))
        seen = []
        for look, *split in zip(looks, *own, strict=True):
            own_query, own_key, own_value = (_to_rows(each, look) for each in split)
            reach = window if slides else look.context.length
            past = look.context.keys[index], look.context.values[index]
            seen.append(_to_one_row(canvas_attention(own_query, own_key, own_value, *past, reach)))
        return torch.cat(seen, dim=2)

    starts = accumulate(sizes[:-1], initial=0)
    open_ = [_open(look) + start for look, start in zip(looks, starts, strict=True)]
    rows = model.run(hidden, positions, attend, torch.cat(open_)[None])[0]
    logits = model.logits(rows).split([len(each) for each in open_])
    return [each.view(*look.positions.shape, -1) for each, look in zip(logits, looks, strict=True)]


def _begin(model: DiffusionGemma, look: Look[KVCache]) -> Tensor:
    """[B * C, H]"""
    hidden: Tensor = model.self_conditioning(model.embed(look.canvas), look.signal)
    return hidden.flatten(0, 1)


def _positions(look: Look[KVCache]) -> Tensor:
    rows, width = look.canvas.shape
    start = look.context.length
    return torch.arange(start, start + width, device=look.canvas.device).repeat(rows)


def _to_rows(own: Tensor, look: Look[KVCache]) -> Tensor:
    """[1, heads, B * C, D] -> [B, heads, C, D]"""
    heads, _, size = own.shape[1:]
    return own.view(heads, *look.canvas.shape, size).transpose(0, 1)


def _to_one_row(own: Tensor) -> Tensor:
    """[B, heads, C, D] -> [1, heads, B * C, D]"""
    return own.transpose(0, 1).flatten(1, 2).unsqueeze(0)


def _open(look: Look[KVCache]) -> Tensor:
    """The positions that were asked for, among the look's tokens [B * C]: [B * M]."""
    rows, width = look.canvas.shape
    first = torch.arange(rows, device=look.positions.device)[:, None] * width
    return (look.positions + first).flatten()
