"""Attention of chunks and their canvases, forward and backward.

Scores are exponentiated as they are: a maximum need not be found, because a score that could
overflow is cut at MOST. What is read is divided by the sum of the exponentials afterwards. So each
score is touched once in a pass, in the narrow type it was multiplied in. The backward pass is that
of FlashAttention (Dao et al. 2022, https://arxiv.org/abs/2205.14135, appendix B), with the
exponentials kept instead of made again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

UNSEEN = -1e30  # added to the score of what is not seen
MOST = 70.0  # e^70 is summed over any length without overflow in float32


class Sight(NamedTuple):
    """`cos`, `sin` [B, K * C, D / 2] turn queries and keys of canvases. `past` [B, K, T] (the
    chunk's tokens before a canvas) and `own` [B, K, C, C] are added to scores: 0 where a position
    is seen. `groups` is of canvases: see `attend`."""

    cos: Tensor
    sin: Tensor
    past: Tensor
    own: Tensor
    groups: int


def attend(
    query: Tensor, key: Tensor, value: Tensor, before: tuple[Tensor, Tensor], sight: Sight
) -> Tensor:
    """`query` [B, S, G, N, D] of canvases, of which G share a key of `key`, `value` [B, S, N, D];
    `before` are keys and values [B, S, T, D] of the chunk, which get no gradient. What is read, of
    the shape [B, S * G, N, D].

    Canvases go group by group: none multiplies keys that no canvas of its group may see.
    """
    read: Tensor = _Attend.apply(query, key, value, *before, sight)  # type: ignore[no-untyped-call]
    return read.flatten(1, 2)


class _Span(NamedTuple):
    """A group: its keys end at `end`; the canvases `these`, whose positions are `here`."""

    end: int
    these: slice
    here: slice


def _spans(sight: Sight) -> list[_Span]:
    (count, length), width = sight.past.shape[1:], sight.own.shape[-1]
    block, each = length // sight.groups, count // sight.groups
    return [
        _Span(
            (group + 1) * block,
            slice(group * each, (group + 1) * each),
            slice(group * each * width, (group + 1) * each * width),
        )
        for group in range(sight.groups)
    ]


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        past_keys: Tensor,
        past_values: Tensor,
        sight: Sight,
    ) -> Tensor:
        query, key, value = (each.contiguous() for each in (query, key, value))
        read = torch.empty_like(query)
        sums = query.new_empty(query.shape[:-1], dtype=torch.float32)
        kept = []
        for span in _spans(sight):
            keys, values = past_keys[:, :, : span.end], past_values[:, :, : span.end]
            asked, canvases = query[:, :, :, span.here], span.these.stop - span.these.start
            before = _scores(asked, keys).unflatten(3, (canvases, -1))
            before, first = _exponentials(
                before, sight.past[:, None, None, span.these, None, : span.end]
            )
            own_key, own_value = (x[:, :, span.here] for x in (key, value))
            inside, second = _exponentials(
                _own(asked, canvases) @ _own(own_key[:, :, None], canvases).mT,
                sight.own[:, None, None, span.these],
            )
            total = (first + second).flatten(3)
            near = inside @ _own(own_value[:, :, None], canvases)
            whole = _read(before.flatten(3, 4), values) + near.flatten(3, 4)
            read[:, :, :, span.here] = whole / total[..., None].to(read.dtype)
            sums[:, :, :, span.here] = total
            kept += [before, inside]
        ctx.save_for_backward(query, key, value, past_keys, past_values, read, sums, *kept)
        ctx.sight = sight
        return read

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, past_keys, past_values, read, sums, *kept = ctx.saved_tensors
        # [B, S, G, N, D], and the part that is the same for all of a query's scores
        slopes, common = _slopes(gradients[0].contiguous(), read, sums)
        to_query, to_key, to_value = (torch.empty_like(each) for each in (query, key, value))
        for index, span in enumerate(_spans(ctx.sight)):
            before, inside = kept[2 * index : 2 * index + 2]
            keys, values = past_keys[:, :, : span.end], past_values[:, :, : span.end]
            here, canvases = span.here, span.these.stop - span.these.start
            asked, sloped = query[:, :, :, here], slopes[:, :, :, here]
            of_all = common[..., here]
            to_scores = _to_scores(before.flatten(3, 4), _scores(sloped, values), of_all)
            own_key, own_value = (_own(x[:, :, None, here], canvases) for x in (key, value))
            to_own = _to_scores(
                inside, _own(sloped, canvases) @ own_value.mT, of_all.unflatten(3, (canvases, -1))
            )
            to_query[:, :, :, here] = _read(to_scores, keys) + (to_own @ own_key).flatten(3, 4)
            to_key[:, :, here] = (to_own.mT @ _own(asked, canvases)).sum(2).flatten(2, 3)
            to_value[:, :, here] = (inside.mT @ _own(sloped, canvases)).sum(2).flatten(2, 3)
        return to_query, to_key, to_value, None, None, None


def _scores(query: Tensor, key: Tensor) -> Tensor:
    """[B, S, G, Q, D] x [B, S, N, D] -> [B, S, G, Q, N]"""
    scores: Tensor = (query.flatten(2, 3) @ key.mT).unflatten(2, query.shape[2:4])
    return scores


def _read(shares: Tensor, value: Tensor) -> Tensor:
    """[B, S, G, Q, N] x [B, S, N, D] -> [B, S, G, Q, D]"""
    read: Tensor = (shares.flatten(2, 3) @ value).unflatten(2, shares.shape[2:4])
    return read


def _own(x: Tensor, canvases: int) -> Tensor:
    """[B, S, G, E * C, D] -> [B, S, G, E, C, D]"""
    parted: Tensor = x.unflatten(3, (canvases, -1))
    return parted


def exponentials(scores: Tensor, added: Tensor) -> tuple[Tensor, Tensor]:
    """e^scores in the type of `scores`, 0 where unseen, and the sums over the last dimension."""
    risen = torch.exp(scores.float().clamp(max=MOST) + added.float())
    return risen.to(scores.dtype), risen.sum(-1)


def slopes(gradient: Tensor, read: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
    """`gradient` of what was `read`, over the `sums`; and, by query, what each of its scores loses
    for the sum's sake."""
    over = gradient.float() / sums[..., None]
    return over.to(gradient.dtype), (over * read.float()).sum(-1)


def to_scores(risen: Tensor, slope: Tensor, common: Tensor) -> Tensor:
    """The gradient of scores whose exponentials are `risen`."""
    return (risen.float() * (slope.float() - common[..., None])).to(risen.dtype)


_exponentials = torch.compile(exponentials, dynamic=True)
_slopes = torch.compile(slopes, dynamic=True)
_to_scores = torch.compile(to_scores, dynamic=True)
