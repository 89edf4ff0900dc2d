"""From the last hidden state to beliefs over the vocabulary, whose logits never reach memory.

`_head` multiplies by the embedding, block after block of the vocabulary, and keeps of each block a
few numbers per row (its maximum, sums of exponentials, the winner of its race) and the exponentials
themselves against that maximum, in bfloat16. `_merge` joins the blocks' numbers, and says by which
factor a block's exponentials are probabilities: kernels/soft_embedding.py goes on from there.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs
# ruff: noqa: N803

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from kernels.backend import ceil_div, dot, jit, launch, tl, uses_kernels
from kernels.random import random_uniform
from kernels.soft_embedding import soft_embedding_reference, soft_embedding_triton


@dataclass(frozen=True, slots=True)
class Beliefs:
    """Of R rows: the likeliest token and its probability at temperature 1, a sampled token and the
    entropy (nats) at the temperature asked for; the expected embedding there [R, H], scaled."""

    likeliest: Tensor
    probability: Tensor
    sampled: Tensor
    entropy: Tensor
    embedding: Tensor | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """How to look at the logits. What changes from step to step is on the device, for a CUDA graph.

    `temperature` float32 [1], `seed` int64 [1]; `banned` bool [V] or [R, V], True for tokens that
    may not be written. `softcap` bounds the logits, softcap * tanh(logits / softcap), and 0 leaves
    them; the expected embedding is multiplied by `embed_scale`. Leave one out: with `observed` [R]
    int64, `observed_by` float32 [1] is taken from the logit of the token that stands in each row,
    log(1 + V a / (1 - a)) where it was noise
    with probability 1 - a (arXiv 2605.22765, eq. 13).
    """

    temperature: Tensor
    seed: Tensor
    softcap: float = 0.0
    embed_scale: float = 1.0
    banned: Tensor | None = None
    observed: Tensor | None = None
    observed_by: Tensor | None = None

    def __post_init__(self) -> None:
        if (self.observed is None) != (self.observed_by is None):
            raise ValueError("observed and observed_by go together")


def vocabulary(
    hidden: Tensor, embedding: Tensor, outlook: Outlook, *, soften: bool = True
) -> Beliefs:
    """Beliefs of `hidden` [R, H], normed, under the head `embedding` [V, H]; without `soften` the
    expected embedding, which is of that matrix, is left out."""
    chosen = vocabulary_triton if uses_kernels(hidden, embedding) else vocabulary_reference
    return chosen(hidden, embedding, outlook, soften=soften)


def vocabulary_reference(
    hidden: Tensor, embedding: Tensor, outlook: Outlook, *, soften: bool = True
) -> Beliefs:
    """The same numbers by way of the logits; `hidden` in float64 gives an oracle."""
    wide = torch.promote_types(hidden.dtype, torch.float32)
    raw = functional.linear(hidden, embedding).to(wide)
    logits = torch.tanh(raw / outlook.softcap) * outlook.softcap if outlook.softcap else raw
    if outlook.observed is not None and outlook.observed_by is not None:
        by = -outlook.observed_by.to(wide).expand(len(logits), 1)
        logits = logits.scatter_add(1, outlook.observed[:, None], by)
    if outlook.banned is not None:
        logits = logits.masked_fill(outlook.banned, -torch.inf)
    cooled = logits / outlook.temperature.to(wide)
    log_p = cooled.log_softmax(dim=-1)
    p = log_p.exp()
    entropy = -(p * log_p.clamp_min(torch.finfo(torch.float32).min)).sum(dim=-1)
    places = torch.arange(logits.numel(), device=logits.device).view(logits.shape)
    race = -random_uniform(outlook.seed, places).clamp_min(1e-10).log()
    likeliest = logits.argmax(dim=-1)
    probability = logits.softmax(dim=-1).gather(-1, likeliest[:, None]).squeeze(-1)
    softened = None
    if soften:
        softened = soft_embedding_reference(p.to(hidden.dtype), embedding, outlook.embed_scale)
    return Beliefs(
        likeliest=likeliest,
        probability=probability,
        sampled=(cooled - race.log()).argmax(dim=-1),
        entropy=entropy,
        embedding=softened,
    )


def vocabulary_triton(
    hidden: Tensor, embedding: Tensor, outlook: Outlook, *, soften: bool = True
) -> Beliefs:
    rows, size = hidden.shape
    tokens = embedding.shape[0]
    block_m = next((m for m in (16, 32, 64) if rows <= m), 128)
    block_v = 64 if block_m == 128 else 128  # share a maximum; more would not fit in the registers
    blocks = ceil_div(tokens, block_v)
    warps = 8 if block_m >= 64 else 4
    hidden = hidden.contiguous()

    def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=hidden.device)

    # [.., blocks, rows]: a program reads a block's numbers for all its rows.
    numbers = empty(5, blocks, rows)
    picks = empty(2, blocks, rows, dtype=torch.int32)
    powers = empty(rows, tokens if soften else 0, dtype=hidden.dtype)
    banned = outlook.banned
    launch(
        _head,
        (ceil_div(rows, block_m), blocks),
        hidden,
        embedding,
        outlook.temperature,
        outlook.seed,
        None if banned is None else banned.contiguous().view(torch.uint8),
        outlook.observed,
        outlook.observed_by,
        numbers,
        picks,
        powers,
        rows,
        tokens,
        size,
        blocks,
        0 if banned is None or banned.ndim == 1 else tokens,
        outlook.softcap,
        CAPPED=outlook.softcap != 0.0,
        SOFTEN=soften,
        MASKED=bool(size % 64),
        BLOCK_M=block_m,
        BLOCK_V=block_v,
        BLOCK_K=64,
        num_warps=warps,
        num_stages=3,
    )
    beliefs = Beliefs(
        likeliest=empty(rows, dtype=torch.int64),
        probability=empty(rows),
        sampled=empty(rows, dtype=torch.int64),
        entropy=empty(rows),
        embedding=empty(rows, size, dtype=hidden.dtype) if soften else None,
    )
    launch(
        _merge,
        (ceil_div(rows, 8),),
        numbers,
        picks,
        outlook.temperature,
        beliefs.likeliest,
        beliefs.probability,
        beliefs.sampled,
        beliefs.entropy,
        rows,
        blocks,
        BLOCK_M=8,
        BLOCK_B=64,
        num_warps=4,
    )
    if beliefs.embedding is None:
        return beliefs
    soft_embedding_triton(
        powers, numbers[0], embedding, outlook.embed_scale, beliefs.embedding, (block_m, block_v)
    )
    return beliefs


@jit
def _head(
    hidden,
    embedding,
    temperature,
    seed,
    banned,
    observed,
    observed_by,
    numbers,
    picks,
    powers,
    rows,
    tokens,
    size,
    blocks,
    banned_row,
    softcap,
    CAPPED: tl.constexpr,
    SOFTEN: tl.constexpr,
    MASKED: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_V: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    row = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    block = tl.program_id(1)
    token = block * BLOCK_V + tl.arange(0, BLOCK_V)
    column = tl.arange(0, BLOCK_K)
    is_row = row < rows
    is_token = token < tokens
    # Beyond the end any row and any token will do: nothing of theirs is stored or counted.
    x_at = hidden + tl.minimum(row, rows - 1)[:, None] * size + column[None, :]
    e_at = embedding + tl.minimum(token, tokens - 1)[:, None].to(tl.int64) * size + column[None, :]
    total = tl.zeros([BLOCK_M, BLOCK_V], dtype=tl.float32)
    for start in range(0, size, BLOCK_K):
        if MASKED:
            inside = (start + column < size)[None, :]
            x = tl.load(x_at + start, mask=inside, other=0.0)
            e = tl.load(e_at + start, mask=inside, other=0.0)
        else:
            x = tl.load(x_at + start)
            e = tl.load(e_at + start)
        total = dot(x, tl.trans(e), total)
    logits = total
    if CAPPED:  # softcap * tanh(total / softcap)
        logits = softcap * (2.0 * tl.sigmoid(total * (2.0 / softcap)) - 1.0)
    if observed is not None:
        stands = tl.load(observed + row, mask=is_row, other=-1)
        logits -= tl.where(token[None, :] == stands[:, None], tl.load(observed_by), 0.0)
    allowed = is_token[None, :]
    place = row.to(tl.int64) * tokens  # of a row's first token
    if banned is not None:
        is_banned = tl.load(
            banned + row[:, None].to(tl.int64) * banned_row + token[None, :],
            mask=is_row[:, None] & is_token[None, :],
            other=1,
        )
        allowed = allowed & (is_banned == 0)
    logits = tl.where(allowed, logits, -float("inf"))
    most = tl.max(logits, axis=1)
    base = tl.where(most == -float("inf"), 0.0, most)  # all banned: exp(-inf - 0) is 0
    below = logits - base[:, None]
    cooled = below / tl.load(temperature)
    power = tl.exp(cooled)
    energy = tl.where(power > 0.0, power * cooled, 0.0)
    uniform = tl.rand(tl.load(seed), place.to(tl.uint32)[:, None] + token.to(tl.uint32)[None, :])
    race = cooled - tl.log(-tl.log(tl.maximum(uniform, 1e-10)))
    first = tl.max(race, axis=1)
    far = tokens + BLOCK_V
    likeliest = tl.min(tl.where(logits == most[:, None], token[None, :], far), axis=1)
    winner = tl.min(tl.where(race == first[:, None], token[None, :], far), axis=1)

    at = block * rows + row
    plane = blocks * rows
    tl.store(numbers + at, most, mask=is_row)
    tl.store(numbers + plane + at, tl.sum(tl.exp(below), axis=1), mask=is_row)
    tl.store(numbers + 2 * plane + at, tl.sum(power, axis=1), mask=is_row)
    tl.store(numbers + 3 * plane + at, tl.sum(energy, axis=1), mask=is_row)
    # Against the row's maximum, not the block's, once `_merge` knows it.
    tl.store(numbers + 4 * plane + at, first, mask=is_row)
    tl.store(picks + at, likeliest, mask=is_row)
    tl.store(picks + plane + at, winner, mask=is_row)
    if SOFTEN:
        tl.store(
            powers + place[:, None] + token[None, :],
            power.to(powers.dtype.element_ty),
            mask=is_row[:, None] & is_token[None, :],
        )


@jit
def _merge(
    numbers,
    picks,
    temperature,
    likeliest_out,
    probability_out,
    sampled_out,
    entropy_out,
    rows,
    blocks,
    BLOCK_M: tl.constexpr,
    BLOCK_B: tl.constexpr,
):
    """The blocks' numbers joined; of `numbers` [0], the blocks' maxima, factors are left behind."""
    row = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    is_row = row < rows
    step = tl.arange(0, BLOCK_B)
    plane = blocks * rows
    cold = 1.0 / tl.load(temperature)
    none = -float("inf")
    most = tl.full([BLOCK_M], none, dtype=tl.float32)
    for start in range(0, blocks, BLOCK_B):
        at = (start + step)[:, None] * rows + row[None, :]
        mask = (start + step < blocks)[:, None] & is_row[None, :]
        most = tl.maximum(most, tl.max(tl.load(numbers + at, mask=mask, other=none), axis=0))
    most = tl.where(most == none, 0.0, most)

    warm_sum = tl.zeros([BLOCK_M], dtype=tl.float32)
    cold_sum = tl.zeros([BLOCK_M], dtype=tl.float32)
    energy = tl.zeros([BLOCK_M], dtype=tl.float32)
    fastest = tl.full([BLOCK_M], none, dtype=tl.float32)
    likeliest = tl.full([BLOCK_M], 2147483647, dtype=tl.int32)
    sampled = tl.full([BLOCK_M], 2147483647, dtype=tl.int32)
    for start in range(0, blocks, BLOCK_B):
        at = (start + step)[:, None] * rows + row[None, :]
        mask = (start + step < blocks)[:, None] & is_row[None, :]
        block_most = tl.load(numbers + at, mask=mask, other=none)
        below = tl.where(block_most == none, none, block_most - most[None, :])
        cooled = tl.where(block_most == none, 0.0, below * cold)
        fade = tl.exp(below * cold)
        part = tl.load(numbers + 2 * plane + at, mask=mask, other=0.0)
        cold_sum += tl.sum(fade * part, axis=0)
        warm = tl.load(numbers + plane + at, mask=mask, other=0.0)
        warm_sum += tl.sum(tl.exp(below) * warm, axis=0)
        own = tl.load(numbers + 3 * plane + at, mask=mask, other=0.0)
        energy += tl.sum(fade * (own + part * cooled), axis=0)
        pick = tl.load(picks + at, mask=mask, other=2147483647)
        pick = tl.where(below == 0.0, pick, 2147483647)
        likeliest = tl.minimum(likeliest, tl.min(pick, axis=0))
        race = tl.load(numbers + 4 * plane + at, mask=mask, other=none)
        race = tl.where(block_most == none, none, race + cooled)
        winner = tl.load(picks + plane + at, mask=mask, other=2147483647)
        first = tl.max(race, axis=0)
        here = tl.min(tl.where(race == first[None, :], winner, 2147483647), axis=0)
        sampled = tl.where(first > fastest, here, sampled)
        fastest = tl.maximum(fastest, first)
    tl.store(likeliest_out + row, likeliest.to(tl.int64), mask=is_row)
    tl.store(probability_out + row, 1.0 / warm_sum, mask=is_row)
    tl.store(sampled_out + row, sampled.to(tl.int64), mask=is_row)
    tl.store(entropy_out + row, tl.log(cold_sum) - energy / cold_sum, mask=is_row)
    for start in range(0, blocks, BLOCK_B):
        at = (start + step)[:, None] * rows + row[None, :]
        mask = (start + step < blocks)[:, None] & is_row[None, :]
        block_most = tl.load(numbers + at, mask=mask, other=none)
        factor = tl.exp((block_most - most[None, :]) * cold) / cold_sum[None, :]
        tl.store(numbers + at, factor, mask=mask)
