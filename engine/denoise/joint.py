"""One denoising step for the canvases of several requests, each after a prompt of its own.

The weights are read once for all of them. Attention alone is done request by request: no prompt is
padded to the length of another, and no canvas sees one that is not its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from engine.models.diffusion_gemma import SLIDING, DiffusionGemma, KVCache
from kernels.attention import canvas_attention


@dataclass(frozen=True, slots=True)
class Part:
    """What `DiffusionGemma.decode` takes: a request's canvases [B, C], the cache of its prompt, the
    positions [B, M] that get logits, and what its last step believed ([B, C, H], or None)."""

    canvas: Tensor
    cache: KVCache
    places: Tensor
    self_conditioning: Tensor | None = None


def decode_jointly(model: DiffusionGemma, parts: Sequence[Part]) -> list[Tensor]:
    """The logits [B, M, V] of each part, as `model.decode` gives them one by one."""
    if len(parts) == 1:
        return [_decode(model, parts[0])]
    # To every operation but attention the canvases are one long row of tokens.
    hidden = torch.cat([_begin(model, part) for part in parts]).unsqueeze(0)
    positions = torch.cat([_positions(part) for part in parts])
    sizes = [part.canvas.numel() for part in parts]
    window = model.config.sliding_window - 1

    def attend(index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        slides = model.config.layer_types[index] == SLIDING
        own = (each.split(sizes, dim=2) for each in (query, key, value))
        seen = []
        for part, *split in zip(parts, *own, strict=True):
            own_query, own_key, own_value = (_to_rows(each, part) for each in split)
            reach = window if slides else part.cache.length
            past = part.cache.keys[index], part.cache.values[index]
            seen.append(_to_one_row(canvas_attention(own_query, own_key, own_value, *past, reach)))
        return torch.cat(seen, dim=2)

    starts = accumulate(sizes[:-1], initial=0)
    open_ = [_places(part) + start for part, start in zip(parts, starts, strict=True)]
    rows = model.run(hidden, positions, attend, torch.cat(open_)[None])[0]
    logits = model.logits(rows).split([len(each) for each in open_])
    return [each.view(*part.places.shape, -1) for each, part in zip(logits, parts, strict=True)]


def _decode(model: DiffusionGemma, part: Part) -> Tensor:
    return model.decode(
        part.canvas, part.cache, self_conditioning=part.self_conditioning, places=part.places
    )


def _begin(model: DiffusionGemma, part: Part) -> Tensor:
    """[B * C, H]"""
    embedded = model.embed(part.canvas)
    hidden: Tensor = model.self_conditioning(embedded, part.self_conditioning)
    return hidden.flatten(0, 1)


def _positions(part: Part) -> Tensor:
    rows, width = part.canvas.shape
    start = part.cache.length
    return torch.arange(start, start + width, device=part.canvas.device).repeat(rows)


def _to_rows(own: Tensor, part: Part) -> Tensor:
    """[1, heads, B * C, D] -> [B, heads, C, D]"""
    heads, _, size = own.shape[1:]
    return own.view(heads, *part.canvas.shape, size).transpose(0, 1)


def _to_one_row(own: Tensor) -> Tensor:
    """[B, heads, C, D] -> [1, heads, B * C, D]"""
    return own.transpose(0, 1).flatten(1, 2).unsqueeze(0)


def _places(part: Part) -> Tensor:
    """The open positions among a part's tokens [B * C]: [B * M]."""
    rows, width = part.canvas.shape
    first = torch.arange(rows, device=part.places.device)[:, None] * width
    return (part.places + first).flatten()
