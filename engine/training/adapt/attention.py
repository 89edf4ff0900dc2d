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
    """`cos`, `sin` [B, T + K * C, D / 2] turn queries and keys. `chunk` [T, T], `past` [B, K, T]
    (the chunk's tokens before a canvas) and `own` [B, K, C, C] are added to scores: 0 where a
    position is seen. `groups` is of queries: see `attend`."""

    cos: Tensor
    sin: Tensor
    chunk: Tensor
    past: Tensor
    own: Tensor
    groups: int


def attend(query: Tensor, key: Tensor, value: Tensor, sight: Sight) -> Tensor:
    """`query` [B, S, G, N, D], of which G share a key of `key`, `value` [B, S, N, D]; what is read
    [B, S * G, N, D].

    The chunk's queries go group by group, and with each group the canvases that begin in it or
    before: none multiplies what lies behind the group.
    """
    read: Tensor = _Attend.apply(query, key, value, sight)  # type: ignore[no-untyped-call]
    return read.flatten(1, 2)


class _Span(NamedTuple):
    """A group: its keys end at `end`; its rows of the chunk, and the canvases `these`, whose
    positions are `here`."""

    end: int
    rows: slice
    these: slice
    here: slice


def _spans(sight: Sight) -> list[_Span]:
    length, count, width = sight.chunk.shape[0], sight.past.shape[1], sight.own.shape[-1]
    block, each = length // sight.groups, count // sight.groups
    return [
        _Span(
            (group + 1) * block,
            slice(group * block, (group + 1) * block),
            slice(group * each, (group + 1) * each),
            slice(length + group * each * width, length + (group + 1) * each * width),
        )
        for group in range(sight.groups)
    ]


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, sight: Sight) -> Tensor:
        query, key, value = (each.contiguous() for each in (query, key, value))
        read = torch.empty_like(query)
        sums = query.new_empty(query.shape[:-1], dtype=torch.float32)
        kept = []
        for span in _spans(sight):
            keys, values = key[:, :, : span.end], value[:, :, : span.end]
            added = sight.chunk[None, None, None, span.rows, : span.end]
            risen, total = _exponentials(_scores(query[:, :, :, span.rows], keys), added)
            read[:, :, :, span.rows] = _read(risen, values) / total[..., None].to(read.dtype)
            sums[:, :, :, span.rows] = total
            kept.append(risen)

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
        ctx.save_for_backward(query, key, value, read, sums, *kept)
        ctx.sight = sight
        return read

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        query, key, value, read, sums, *kept = ctx.saved_tensors
        # [B, S, G, N, D], and the part that is the same for all of a query's scores
        slopes, common = _slopes(gradients[0].contiguous(), read, sums)
        to_query, to_key, to_value = (torch.zeros_like(each) for each in (query, key, value))
        for index, span in enumerate(_spans(ctx.sight)):
            risen, before, inside = kept[3 * index : 3 * index + 3]
            keys, values = key[:, :, : span.end], value[:, :, : span.end]
            into_keys, into_values = to_key[:, :, : span.end], to_value[:, :, : span.end]

            rows = span.rows
            to_scores = _to_scores(risen, _scores(slopes[:, :, :, rows], values), common[..., rows])
            to_query[:, :, :, rows] = _read(to_scores, keys)
            into_keys += _gathered(to_scores, query[:, :, :, rows])
            into_values += _gathered(risen, slopes[:, :, :, rows])

            here, canvases = span.here, span.these.stop - span.these.start
            asked, sloped = query[:, :, :, here], slopes[:, :, :, here]
            of_all = common[..., here]
            flat = before.flatten(3, 4)
            to_scores = _to_scores(flat, _scores(sloped, values), of_all)
            own_key, own_value = (_own(x[:, :, None, here], canvases) for x in (key, value))
            to_own = _to_scores(
                inside, _own(sloped, canvases) @ own_value.mT, of_all.unflatten(3, (canvases, -1))
            )
            to_query[:, :, :, here] = _read(to_scores, keys) + (to_own @ own_key).flatten(3, 4)
            into_keys += _gathered(to_scores, asked)
            into_values += _gathered(flat, sloped)
            to_key[:, :, here] = (to_own.mT @ _own(asked, canvases)).sum(2).flatten(2, 3)
            to_value[:, :, here] = (inside.mT @ _own(sloped, canvases)).sum(2).flatten(2, 3)
        return to_query, to_key, to_value, None


def _scores(query: Tensor, key: Tensor) -> Tensor:
    """[B, S, G, Q, D] x [B, S, N, D] -> [B, S, G, Q, N]"""
    scores: Tensor = (query.flatten(2, 3) @ key.mT).unflatten(2, query.shape[2:4])
    return scores


def _read(shares: Tensor, value: Tensor) -> Tensor:
    """[B, S, G, Q, N] x [B, S, N, D] -> [B, S, G, Q, D]"""
    read: Tensor = (shares.flatten(2, 3) @ value).unflatten(2, shares.shape[2:4])
    return read


def _gathered(shares: Tensor, query: Tensor) -> Tensor:
    """[B, S, G, Q, N] x [B, S, G, Q, D] -> [B, S, N, D]"""
    return shares.flatten(2, 3).mT @ query.flatten(2, 3)


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
