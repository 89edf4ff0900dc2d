"""After a step: which open positions keep their token, noise for the others, and who is done.

Pinned positions are re-pinned by never being written. The entropies of surer positions are added
as they lie, not sorted: where a bound is met to the last bit, the reference may decide otherwise.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs
# ruff: noqa: N803

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.backend import jit, launch, power_of_two, serves, tl
from kernels.random import random_bits

NOISE = 0x5DEECE66D  # apart from the seed that tokens are sampled with


@dataclass(frozen=True, slots=True)
class EntropyBound:
    """When a position is accepted and when a canvas is done.

    entropy_bound: the surest positions, as long as the sum of those surer stays within it.
    share: at least this share of a canvas's positions, float32 [1] on the device, or None.
    confidence: done when stable and the mean entropy is below it.
    noise: ids that noise is drawn from, int64 [n], or None for all below `vocabulary`.
    """

    entropy_bound: float
    confidence: float
    vocabulary: int
    share: Tensor | None = None
    noise: Tensor | None = None


def accept(
    ids: Tensor,
    places: Tensor,
    real: Tensor,
    chosen: Tensor,
    likeliest: Tensor,
    before: Tensor,
    entropy: Tensor,
    seed: Tensor,
    rule: EntropyBound,
) -> tuple[Tensor, Tensor]:
    """The next canvases [B, C], and which were stable and confident [B], bool.

    `ids` [B, C] are the canvases; `places`, `real` [B, M] their open positions (see engine/canvas);
    `chosen` the tokens that accepted positions take, `likeliest` and `before` the likeliest tokens
    of this step and the last (-1: there was none); `entropy` all [B, M]. `seed` int64 [1].
    """
    chosen_by = accept_triton if serves(entropy.device) else accept_reference
    return chosen_by(ids, places, real, chosen, likeliest, before, entropy, seed, rule)


def accept_reference(
    ids: Tensor,
    places: Tensor,
    real: Tensor,
    chosen: Tensor,
    likeliest: Tensor,
    before: Tensor,
    entropy: Tensor,
    seed: Tensor,
    rule: EntropyBound,
) -> tuple[Tensor, Tensor]:
    uncertain = entropy.masked_fill(~real, torch.inf)
    ascending, order = uncertain.sort(dim=-1, stable=True)
    within = ascending.cumsum(dim=-1) - ascending <= rule.entropy_bound
    accepted = torch.zeros_like(within).scatter(-1, order, within)
    if rule.share is not None:
        rank = order.argsort(dim=-1)
        accepted |= rank < (real.sum(dim=-1, keepdim=True) * rule.share).ceil()
    offset = torch.arange(real.numel(), device=real.device).view(real.shape)
    bits = random_bits(int(seed) ^ NOISE, offset)
    noise = bits % rule.vocabulary if rule.noise is None else rule.noise[bits % len(rule.noise)]
    tokens = torch.where(accepted, chosen, noise)
    out = ids.clone()
    for row in range(len(ids)):
        out[row, places[row, real[row]]] = tokens[row, real[row]]
    mean = entropy.masked_fill(~real, 0.0).sum(dim=-1) / real.sum(dim=-1).clamp_min(1)
    stable = ((likeliest == before) | ~real).all(dim=-1)
    return out, stable & (mean < rule.confidence)


def accept_triton(
    ids: Tensor,
    places: Tensor,
    real: Tensor,
    chosen: Tensor,
    likeliest: Tensor,
    before: Tensor,
    entropy: Tensor,
    seed: Tensor,
    rule: EntropyBound,
) -> tuple[Tensor, Tensor]:
    batch, many = places.shape
    out = ids.clone(memory_format=torch.contiguous_format)
    done = torch.empty(batch, dtype=torch.uint8, device=ids.device)
    launch(
        _accept,
        (batch,),
        out,
        done,
        places.contiguous(),
        real.contiguous().view(torch.uint8),
        chosen.contiguous(),
        likeliest.contiguous(),
        before.contiguous(),
        entropy.contiguous(),
        seed,
        rule.share,
        rule.noise,
        ids.shape[1],
        many,
        rule.vocabulary if rule.noise is None else rule.noise.numel(),
        rule.entropy_bound,
        rule.confidence,
        BLOCK=max(32, power_of_two(many)),
        CHUNK=16,
        KEY=NOISE,
    )
    return out, done.view(torch.bool)


@jit
def _accept(
    ids,
    done,
    places,
    real,
    chosen,
    likeliest,
    before,
    entropy,
    seed,
    share,
    noise,
    width,
    many,
    kinds,
    bound,
    confidence,
    BLOCK: tl.constexpr,
    CHUNK: tl.constexpr,
    KEY: tl.constexpr,
):
    """One canvas: each position adds up the entropies of those surer than itself."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < many
    first = row * many
    is_real = tl.load(real + first + at, mask=inside, other=0) != 0
    own = tl.load(entropy + first + at, mask=is_real, other=float("inf"))
    surer = tl.zeros([BLOCK], dtype=tl.float32)
    rank = tl.zeros([BLOCK], dtype=tl.int32)
    for start in range(0, many, CHUNK):
        other = start + tl.arange(0, CHUNK)
        known = tl.load(real + first + other, mask=other < many, other=0) != 0
        theirs = tl.load(entropy + first + other, mask=known, other=float("inf"))
        ahead = (theirs[None, :] < own[:, None]) | (
            (theirs[None, :] == own[:, None]) & (other[None, :] < at[:, None])
        )
        ahead = ahead & known[None, :]
        surer += tl.sum(tl.where(ahead, theirs[None, :], 0.0), axis=1)
        rank += tl.sum(ahead.to(tl.int32), axis=1)
    accepted = surer <= bound
    count = tl.sum(is_real.to(tl.int32), axis=0).to(tl.float32)
    if share is not None:
        accepted = accepted | (rank.to(tl.float32) < tl.ceil(count * tl.load(share)))

    bits = tl.randint(tl.load(seed) ^ KEY, (first + at).to(tl.uint32)).to(tl.uint32, bitcast=True)
    drawn = (bits % kinds.to(tl.uint32)).to(tl.int64)
    if noise is not None:
        drawn = tl.load(noise + drawn)
    kept = tl.load(chosen + first + at, mask=is_real, other=0)
    place = tl.load(places + first + at, mask=is_real, other=0)
    tl.store(ids + row * width + place, tl.where(accepted, kept, drawn), mask=is_real)

    now = tl.load(likeliest + first + at, mask=is_real, other=0)
    then = tl.load(before + first + at, mask=is_real, other=0)
    moved = tl.sum((now != then).to(tl.int32), axis=0)
    mean = tl.sum(tl.where(is_real, own, 0.0), axis=0) / tl.maximum(count, 1.0)
    tl.store(done + row, ((moved == 0) & (mean < confidence)).to(tl.uint8))
