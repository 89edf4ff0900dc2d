"""What the published samplers of masked models have in common: which token a position would take,
and how certain it is.

With a temperature of 0 (`greedy`) that is the likeliest; else it is drawn of the likeliest tokens
that have `top_p` of the probability at that temperature. How certain a position is, is told of what
was drawn from.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.denoise.canvas import Canvas
from engine.denoise.rules.joint import Joint
from engine.denoise.rules.rule import Denoising
from engine.denoise.sampler import Draws, entropy, nucleus, sample
from kernels.vocabulary import Beliefs


@dataclass(frozen=True, slots=True)
class Choice:
    """For every open position [B, M]: its token, the token's probability at temperature 1, and the
    score by which positions are chosen, the higher the sooner."""

    tokens: Tensor
    probability: Tensor
    score: Tensor


def choose(
    logits: Tensor,
    settings: Denoising,
    number: int,
    draws: Draws,
    canvas: Canvas,
    joint: Joint | None = None,
) -> Choice:
    """Of step `number`, where `logits` [B, M, V] are of the open positions of `canvas`, narrowed
    where there is a `joint`. The tokens of a constrained hole are drawn together, and `top_p` says
    nothing of them: a text of likely tokens is not always one of those that are allowed."""
    beliefs = logits
    if settings.greedy:
        beliefs = nucleus(logits, settings.top_p)
        tokens = logits.argmax(dim=-1)
        scores = logits
    else:
        heated = logits / settings.temperature(number)
        beliefs = nucleus(heated, settings.top_p)
        race = draws.race(*beliefs.shape)
        tokens = sample(beliefs, race)
        scores = heated if joint is None else heated - race.log()
    if joint is not None:
        tokens = joint.settle(tokens, scores, canvas)
        beliefs = logits if settings.greedy else heated
    return Choice(tokens, _probability(logits, tokens), _score(settings.order, beliefs, tokens))


def choice_of(beliefs: Beliefs, settings: Denoising, shape: torch.Size) -> Choice:
    """What `choose` makes of the logits that `beliefs` [B * M] are of, in the `shape` [B, M], where
    that follows from them."""
    assert settings.follows_from_beliefs
    tokens, probability = beliefs.likeliest.view(shape), beliefs.probability.view(shape)
    score = -beliefs.entropy.view(shape) if settings.order == "entropy" else probability
    return Choice(tokens, probability, score)


def _score(order: str, beliefs: Tensor, tokens: Tensor) -> Tensor:
    match order:
        case "entropy":
            return -entropy(beliefs)
        case "margin":
            two = beliefs.topk(2, dim=-1).values
            likeliest, next_one = (two - beliefs.logsumexp(dim=-1, keepdim=True)).exp().unbind(-1)
            return likeliest - next_one
        case _:
            return _probability(beliefs, tokens)


def _probability(logits: Tensor, tokens: Tensor) -> Tensor:
    chosen = logits.gather(-1, tokens[..., None]).squeeze(-1)
    probability: Tensor = (chosen - logits.logsumexp(dim=-1)).exp()
    return probability


def highest(score: Tensor, among: Tensor, count: Tensor) -> Tensor:
    """The `count` [B, 1] positions of each row whose `score` [B, M] is highest `among` those that
    are True, [B, M]; all of them where there are fewer."""
    order = score.masked_fill(~among, -torch.inf).argsort(dim=-1, descending=True, stable=True)
    places = torch.arange(order.shape[-1], device=order.device).expand_as(order)
    rank = torch.empty_like(order).scatter_(-1, order, places)
    return (rank < count) & among


__all__ = ["Choice", "choice_of", "choose", "highest"]
