"""Beliefs over the vocabulary, and what is accepted of them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kernels.acceptance import EntropyBound, accept_reference, accept_triton
from kernels.backend import jit, launch, tl
from kernels.random import random_uniform
from kernels.vocabulary import Outlook, vocabulary_reference, vocabulary_triton

sys.path.insert(0, str(Path(__file__).parent))
from close import assert_close


def outlook(tokens: int, rows: int, kind: str) -> Outlook:
    plain = Outlook(torch.tensor([0.6]), torch.tensor([1 << 40 | 7]), 30.0, 6.0)
    if kind == "not capped":  # as dense models have it
        return replace(plain, softcap=0.0, temperature=torch.tensor([1.0]))
    if kind == "plain":
        return plain
    banned = torch.rand(tokens) < 0.4
    banned[128:256] = True  # a whole block of the vocabulary
    banned[5] = False
    if kind == "banned in rows":
        banned = banned.expand(rows, tokens) & (torch.rand(rows, tokens) < 0.9)
    observed = torch.randint(tokens, (rows,))
    return replace(plain, banned=banned, observed=observed, observed_by=torch.tensor([14.9]))


SHAPES = [(1, 300, 40), (3, 97, 123), (17, 900, 64), (63, 140, 16), (255, 140, 16)]


@pytest.mark.parametrize("kind", ["plain", "not capped", "banned", "banned in rows"])
@pytest.mark.parametrize(("rows", "tokens", "hidden"), SHAPES)
def test_vocabulary(rows: int, tokens: int, hidden: int, kind: str) -> None:
    state = torch.randn(rows, hidden).bfloat16()
    embedding = (torch.randn(tokens, hidden) * 0.4).bfloat16()
    look = outlook(tokens, rows, kind)
    ours = vocabulary_triton(state, embedding, look)
    truth = vocabulary_reference(state.double(), embedding.double(), look)
    assert torch.equal(ours.likeliest, truth.likeliest)
    assert torch.equal(ours.sampled, truth.sampled)
    torch.testing.assert_close(ours.entropy.double(), truth.entropy, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.probability.double(), truth.probability, rtol=1e-4, atol=1e-5)
    plain = vocabulary_reference(state, embedding, look)
    assert_close(ours.embedding, plain.embedding, truth.embedding)
    assert vocabulary_triton(state, embedding, look, soften=False).embedding is None


@jit
def _rand(seed, offset, out, SIZE: tl.constexpr):  # noqa: N803
    at = tl.arange(0, SIZE)
    tl.store(out + at, tl.rand(tl.load(seed), tl.load(offset + at).to(tl.uint32)))


@pytest.mark.parametrize("seed", [0, 7, (1 << 32) - 1, 1 << 40 | 7, (1 << 63) - 1])
def test_random_numbers_are_those_of_triton(seed: int) -> None:
    offset = torch.cat((torch.arange(32), torch.arange(2**31 - 16, 2**31 + 16)))
    offset = torch.cat((offset, torch.arange(2**32 - 64, 2**32)))
    out = torch.empty(len(offset))
    launch(_rand, (1,), torch.tensor([seed]), offset, out, SIZE=len(offset))
    assert torch.equal(out, random_uniform(seed, offset))


def test_a_seed_decides() -> None:
    state, embedding = torch.zeros(17, 16).bfloat16(), torch.randn(300, 16).bfloat16()
    look = outlook(300, 17, "plain")
    first = vocabulary_triton(state, embedding, look).sampled
    assert torch.equal(vocabulary_triton(state, embedding, look).sampled, first)
    other = vocabulary_triton(state, embedding, replace(look, seed=torch.tensor([8]))).sampled
    assert (other != first).double().mean() > 0.9  # every token is equally likely


@pytest.mark.parametrize(("batch", "many"), [(1, 1), (2, 3), (3, 17), (2, 63), (1, 255)])
@pytest.mark.parametrize("pooled", [False, True])
def test_accept(batch: int, many: int, pooled: bool) -> None:
    width = many + 9
    ids = torch.randint(1000, (batch, width))
    places = torch.rand(batch, width).argsort(dim=-1)[:, :many].sort(dim=-1).values
    real = torch.ones(batch, many, dtype=torch.bool)
    short = (many + 1) // 2
    real[-1, short:] = False
    places[-1, short:] = places[-1, short - 1]
    chosen, likeliest = (torch.randint(1000, (batch, many)) for _ in range(2))
    before = likeliest.clone()
    before[0, 0] += 1
    entropy = torch.rand(batch, many) * 0.02
    rule = EntropyBound(0.03, 0.015, 1000)
    if pooled:
        rule = replace(rule, share=torch.tensor([0.25]), noise=torch.tensor([5, 9, 11]))
    given = (ids, places, real, chosen, likeliest, before, entropy, torch.tensor([77]), rule)
    ours, truth = accept_triton(*given), accept_reference(*given)
    assert torch.equal(ours[0], truth[0])
    assert torch.equal(ours[1], truth[1])
    pinned = torch.ones_like(ids, dtype=torch.bool).scatter(1, places, False)
    assert torch.equal(ours[0][pinned], ids[pinned])
