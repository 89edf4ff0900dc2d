"""The texts of a look, each of its own length, one after the other in the long row that the layers
compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any

import torch
from torch import Tensor

from engine.models.dense.backbone import Backbone
from engine.models.dense.heads import from_heads, to_heads
from engine.models.dense.layers import Attend
from engine.models.family import Look

# (query [R, heads, T, D], key and value [R, kv heads, T, D]) of R texts of one length -> as query
OfOneLength = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Texts:
    """`ids` [N] and `positions` [N] of all texts; `lengths` of each, of which the first `before`
    tokens are no part of its canvas."""

    ids: Tensor
    positions: Tensor
    lengths: tuple[int, ...]
    before: int

    @classmethod
    def of(cls, look: Look[Any], before: Tensor, first: int) -> Texts:
        """Each canvas of `look` behind `before` [Q], the first token at position `first`."""
        rows, width = look.canvas.shape
        canvases = look.lengths if look.lengths is not None else (width,) * rows
        whole = torch.cat((before.expand(rows, -1), look.canvas), dim=1)
        lengths = tuple(len(before) + canvas for canvas in canvases)
        places = [torch.arange(length) for length in lengths]
        there = [place + row * whole.shape[1] for row, place in enumerate(places)]
        device = look.canvas.device
        return cls(
            whole.flatten()[torch.cat(there).to(device)],
            (torch.cat(places) + first).to(device),
            lengths,
            len(before),
        )

    def rows(self, positions: Tensor, back: int) -> Tensor:
        """Where in `ids` the canvas positions [B, M] stand, [B * M], or what is `back` before each;
        a text's first token where nothing is."""
        starts = torch.tensor([0, *accumulate(self.lengths[:-1])], device=positions.device)
        at = (positions + self.before - back).clamp_min(0)
        return (at + starts[:, None]).flatten()

    def each(self, attend: OfOneLength, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """[N, heads, D]: what `attend` gives for these texts, neighbours of one length together."""
        groups = [(length, len(list(same))) for length, same in groupby(self.lengths)]
        sizes = [length * count for length, count in groups]
        own = (each.split(sizes) for each in (query, key, value))
        return torch.cat(
            [
                from_heads(attend(*(to_heads(each, count) for each in parts)))
                for (_, count), *parts in zip(groups, *own, strict=True)
            ]
        )


def run_texts(
    backbone: Backbone[Any],
    texts: Sequence[Texts],
    attend: Attend,
    positions: Sequence[Tensor],
    back: int = 0,
) -> list[Tensor]:
    """The hidden states [B * M, H] at the canvas `positions` [B, M] of each of `texts`, or `back`
    before them, from one pass over the weights."""
    starts = accumulate([len(text.ids) for text in texts[:-1]], initial=0)
    rows = [
        text.rows(at, back) + start
        for text, at, start in zip(texts, positions, starts, strict=True)
    ]
    hidden = backbone.run(
        torch.cat([text.ids for text in texts]),
        torch.cat([text.positions for text in texts]),
        attend,
        torch.cat(rows),
    )
    return list(hidden.split([len(each) for each in rows]))


__all__ = ["Texts", "run_texts"]
