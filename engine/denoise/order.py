"""The order in which open positions are accepted: what a step keeps, and when it was enough.

Two rules. `SurestFirst` is DiffusionGemma's: whatever is sure enough, wherever it stands.
`FromLeft` is for a model that knows slack: every hole is resolved in a run from its left, each new
token seeing those before it and the text after the hole, until slack is what comes next.

Shapes as in engine/denoise/loop.py: B candidates, M open positions, V tokens. A row may hold
several holes, one after the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from engine.denoise.canvas import Canvas
from engine.denoise.sampler import (
    Draws,
    Stopping,
    accept_by_entropy,
    entropy,
    entropy_of,
    sample,
    shares_of,
    temperature,
)


@dataclass(frozen=True, slots=True)
class Denoising:
    """How to denoise; the words are those of DiffusionGemma's generation_config.json.

    greedy: an accepted position takes its likeliest token, not a sampled one.
    quota: accept at least an even share at every step, so that a hole is whole after `steps` steps
        however unsure the model is.
    slack: the token that fills a hole's end, where the model knows one.
    order: which rule; "left" needs slack.
    haste: in the order from the left, how much the entropy bound grows with every nat that the
        text has lost in likelihood: what is hardly right any more need not be weighed by the token.
    hopeless: in the order from the left, how many nats a text may lose before it is given up, and
        the rest of it taken as it stands, unless there is no better one.
    """

    steps: int
    t_max: float
    t_min: float
    entropy_bound: float
    confidence_threshold: float
    stability_threshold: int
    greedy: bool
    quota: bool
    self_conditioning: bool
    slack: int | None = None
    order: Literal["surest", "left"] = "surest"
    haste: float = 0.0
    hopeless: float = math.inf

    def __post_init__(self) -> None:
        if self.order == "left" and self.slack is None:
            raise ValueError("the order from the left needs a slack token, which ends a hole")

    def heat(self, number: int) -> float:
        """The temperature of step `number`."""
        return temperature(number, self.steps, self.t_min, self.t_max)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule makes of a step's logits.

    `tokens` [B, M] are the likeliest and `probability` [B, M] theirs; where `accepted` [B, M],
    `chosen` [B, M] stay on the canvas. `done` [B]; `beliefs` [B, M, V] condition the next step.
    """

    tokens: Tensor
    probability: Tensor
    chosen: Tensor
    accepted: Tensor
    done: Tensor
    beliefs: Tensor


class Rule(Protocol):
    """Remembers the steps of one batch of canvases."""

    def read(self, logits: Tensor, canvas: Canvas, number: int, draws: Draws) -> Reading: ...

    def keep(self, rows: Tensor) -> None:
        """Forget the canvases that `rows` [B] does not select: they have left the batch."""
        ...


def rule_of(settings: Denoising, canvas: Canvas) -> Rule:
    return FromLeft(settings, canvas) if settings.order == "left" else SurestFirst(settings)


class SurestFirst:
    """The entropy-bound rule (engine/denoise/sampler.py); done when stable and confident."""

    def __init__(self, settings: Denoising) -> None:
        self._settings = settings
        self._stopping = Stopping(settings.stability_threshold, settings.confidence_threshold)

    def read(self, logits: Tensor, canvas: Canvas, number: int, draws: Draws) -> Reading:
        settings = self._settings
        heat = settings.heat(number)
        beliefs = logits / heat
        unsure = entropy(beliefs)
        shares = logits.softmax(dim=-1)
        wanted = logits
        if settings.slack is not None:
            ended = ends(shares[..., settings.slack], canvas)
            wanted = only_from(logits, settings.slack, ended)
        tokens = wanted.argmax(dim=-1)
        accepted = accept_by_entropy(unsure, settings.entropy_bound, canvas.real)
        if settings.quota:
            accepted |= surest(unsure, canvas.real, number, settings.steps)
        return Reading(
            tokens=tokens,
            probability=_probability(shares, tokens),
            chosen=tokens if settings.greedy else sample(wanted / heat, draws.race(*wanted.shape)),
            accepted=accepted,
            done=self._stopping(tokens, unsure, canvas.real),
            beliefs=beliefs,
        )

    def keep(self, rows: Tensor) -> None:
        self._stopping.keep(rows)


class FromLeft:
    """Accepted tokens are final, with the probability they had when they were accepted: the product
    over a hole, with that of its end, is the probability of the whole text.

    Done when slack follows the last accepted token of every hole.
    """

    def __init__(self, settings: Denoising, canvas: Canvas) -> None:
        self._settings = settings
        self._resolved = torch.zeros_like(canvas.real)
        self._tokens = torch.zeros_like(canvas.places)
        self._probability = torch.ones(canvas.real.shape, device=canvas.real.device)
        # Canvases that are settled and not hopeless: now, and whether one has left already.
        self._good = torch.zeros(len(canvas.real), dtype=torch.bool, device=canvas.real.device)
        self._has_good = torch.zeros((), dtype=torch.bool, device=canvas.real.device)

    def read(self, logits: Tensor, canvas: Canvas, number: int, draws: Draws) -> Reading:
        settings, slack = self._settings, self._settings.slack
        assert slack is not None
        heat = settings.heat(number)
        shares, log_p = shares_of(logits)
        beliefs = logits if heat == 1.0 else logits / heat
        unsure = entropy_of(shares, log_p) if heat == 1.0 else entropy(beliefs)
        ended = ends(shares[..., slack].masked_fill(self._resolved, 0.0), canvas)
        tokens, probability = likeliest(shares, slack, ended)
        chosen = tokens
        if not settings.greedy:
            wanted = only_from(beliefs, slack, ended)
            chosen = sample(wanted, draws.race(*wanted.shape))
        tokens = torch.where(self._resolved, self._tokens, tokens)
        chosen = torch.where(self._resolved, self._tokens, chosen)
        # Of a hole's end only the first slack token was decided; the others follow from it.
        certain = self._resolved | (ended & (running(ended.long(), canvas) > 1)) | ~canvas.real
        probability = torch.where(certain, self._probability, probability)

        pending = canvas.real & ~ended & ~self._resolved
        bound = settings.entropy_bound + settings.haste * self._lost()[:, None]
        fresh = from_left(unsure, pending, bound, canvas, settings.steps - number)
        left_open = torch.where(pending, unsure, 0.0).sum(dim=-1)
        self._resolved = self._resolved | fresh
        self._tokens = torch.where(fresh, chosen, self._tokens)
        self._probability = torch.where(fresh, probability, self._probability)
        return Reading(
            tokens=tokens,
            probability=probability,
            chosen=chosen,
            accepted=self._resolved,
            done=self._done(left_open),
            beliefs=beliefs,
        )

    def _done(self, left_open: Tensor) -> Tensor:
        """[B]: what is sure enough needs no further look, what is hopeless none beside better."""
        lost = self._lost()
        settled = left_open <= self._settings.confidence_threshold
        hopeless = lost > self._settings.hopeless
        self._good = settled & ~hopeless
        return settled | (hopeless & (self._has_good | (lost > lost.min())))

    def _lost(self) -> Tensor:
        """The nats that what is resolved has lost in likelihood, [B]."""
        return -torch.where(self._resolved, self._probability, 1.0).log().sum(dim=-1)

    def keep(self, rows: Tensor) -> None:
        self._has_good = self._has_good | (self._good & ~rows).any()
        self._resolved = self._resolved[rows]
        self._tokens = self._tokens[rows]
        self._probability = self._probability[rows]


def ends(slack: Tensor, canvas: Canvas) -> Tensor:
    """[B, M], True from where each hole ends: its first position where `slack`, the probability of
    the slack token [B, M], is above a half.

    Slack is one token and text is thousands: taking the likeliest token would end nearly every hole
    too early.
    """
    here = (slack > 0.5) & canvas.real
    return running(here.long(), canvas) > 0


def likeliest(shares: Tensor, slack: int, ended: Tensor) -> tuple[Tensor, Tensor]:
    """The likeliest tokens that `only_from` leaves, and their probabilities, [B, M] each, where
    `shares` [B, M, V] are those of all tokens."""
    # max, unlike argmax, is vectorised on a CPU.
    text = shares.index_fill(-1, torch.tensor(slack, device=shares.device), 0.0).max(dim=-1)
    tokens = torch.where(ended, slack, text.indices)
    return tokens, torch.where(ended, shares[..., slack], text.values)


def only_from(logits: Tensor, slack: int, ended: Tensor) -> Tensor:
    """`logits` [B, M, V] with nothing but slack where a hole has `ended`, and no slack before."""
    is_slack = torch.arange(logits.shape[-1], device=logits.device) == slack
    return logits.masked_fill(ended[..., None] != is_slack, -torch.inf)


def from_left(
    unsure: Tensor, pending: Tensor, bound: float | Tensor, canvas: Canvas, steps_left: int
) -> Tensor:
    """Which of the `pending` positions [B, M] to accept next: in every hole a run from the left.

    The run goes on while the entropies of what it accepts, but for the last, sum to at most
    `bound` (one, or [B, 1]); it is long enough that `steps_left` such runs resolve the row.
    """
    cost = torch.where(pending, unsure, 0.0)
    before = running(cost, canvas) - cost
    rank = running(pending.long(), canvas) - pending.long()
    least = -(-pending.sum(dim=-1, keepdim=True) // max(1, steps_left))
    return pending & ((before <= bound) | (rank < least))


def surest(unsure: Tensor, real: Tensor, number: int, of: int) -> Tensor:
    """The surest `number / of` of each row's real positions, rounded up, [B, M]."""
    wanted = -(-real.sum(dim=-1, keepdim=True) * number // of)
    order = unsure.masked_fill(~real, torch.inf).argsort(dim=-1, stable=True)
    places = torch.arange(order.shape[-1], device=order.device).expand_as(order)
    rank = torch.empty_like(order).scatter_(-1, order, places)
    return (rank < wanted) & real


def running(values: Tensor, canvas: Canvas) -> Tensor:
    """Running sums of `values` (none negative) within each hole, [B, M]."""
    total = values.cumsum(dim=-1)
    if canvas.starts is None:
        return total
    return total - torch.where(canvas.starts, total - values, 0).cummax(dim=-1).values


def _probability(shares: Tensor, tokens: Tensor) -> Tensor:
    """What `shares` [B, M, V], the probabilities of all tokens, give `tokens` [B, M]."""
    return shares.gather(-1, tokens[..., None]).squeeze(-1)
