"""The entropy-bound sampler of DiffusionGemma, in pure pieces that a denoising loop puts together.

Shapes: B canvases of C positions over V tokens. Everywhere, `open` [B, C] marks the positions that
are being denoised; where it is False the position is pinned and counts in nothing. None means all
are open. Semantics follow `transformers` (`generation_diffusion_gemma.py`), draw for draw.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

LEAST = torch.finfo(torch.float32).min


def temperature(step: int, steps: int, t_min: float, t_max: float) -> float:
    """The temperature of step `step`, counted from 1: t_max at the first, falling on a line that
    would reach t_min one step after the last."""
    remaining = steps - step + 1
    return t_min + (t_max - t_min) * (remaining / steps)


def sample(logits: Tensor, draws: Tensor) -> Tensor:
    """Token ids [B, C], one per row of `logits` [B, C, V]; `draws` [B, C, V] ~ Exp(1) decide.

    The exponential race: token v arrives at time draws[v] / p[v] and the first one wins, so v is
    drawn with probability p[v]. torch.multinomial draws one sample in the same way, so equal draws
    give equal tokens.
    """
    return (logits.float() - draws.log()).argmax(dim=-1)


NUCLEUS = 64  # tokens that a nucleus rarely has more of


def nucleus(logits: Tensor, top_p: float) -> Tensor:
    """`logits` [.., V] with -inf but for the likeliest tokens whose probabilities sum to more than
    `top_p`, the last of them included; the likeliest is always there."""
    if top_p >= 1:
        return logits
    size = logits.shape[-1]
    total = logits.logsumexp(dim=-1, keepdim=True)
    for count in (min(NUCLEUS, size), size):  # sorting a large vocabulary takes longer than a look
        values = logits.topk(count, dim=-1).values
        probability = (values - total).exp()
        before = probability.cumsum(dim=-1) - probability
        if count == size or bool((before[..., -1] > top_p).all()):
            break
    inside = before <= top_p
    least = values.masked_fill(~inside, torch.inf).amin(dim=-1, keepdim=True)
    return logits.masked_fill(logits < least, -torch.inf)


def entropy(logits: Tensor) -> Tensor:
    """Entropy of softmax(logits) in nats, [B, C, V] -> [B, C] float32; -inf logits are allowed."""
    return entropy_of(*probabilities_of(logits))


def probabilities_of(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities and their logarithms, none of them infinite, [B, C, V] float32 each."""
    # Two softmaxes: on a CPU, the exponential of what is all but impossible is a slow one.
    log_p = logits.log_softmax(dim=-1, dtype=torch.float32)
    return logits.softmax(dim=-1, dtype=torch.float32), log_p.clamp_min_(LEAST)


def entropy_of(p: Tensor, log_p: Tensor) -> Tensor:
    """Entropy in nats of distributions [B, C, V] as `probabilities_of` gives them."""
    entropies: Tensor = -torch.linalg.vecdot(p, log_p)
    return entropies


def accept_by_entropy(entropy: Tensor, bound: float, open: Tensor | None = None) -> Tensor:
    """Which positions [B, C] to accept: the k surest such that sum - max of their entropies stays
    within `bound` (arXiv 2505.24857). The surest open position is always among them."""
    if open is not None:
        entropy = entropy.masked_fill(~open, torch.inf)
    ascending, order = entropy.sort(dim=-1, stable=True)
    within = ascending.cumsum(dim=-1) - ascending <= bound  # inf - inf is NaN: not within
    return torch.zeros_like(within).scatter(-1, order, within)


def renoise(canvas: Tensor, accepted: Tensor, noise: Tensor) -> Tensor:
    """The next canvas: `canvas` where it was accepted, `noise` elsewhere, all [B, C]."""
    return torch.where(accepted, canvas, noise)


@dataclass(slots=True)
class Stopping:
    """Stable and confident: a canvas is done when its likeliest tokens are those of each of the
    last `stability_threshold` steps and the mean entropy is under `confidence_threshold`.

    Remembers the steps of one batch of canvases; begin a new one for new canvases.
    """

    stability_threshold: int
    confidence_threshold: float
    _history: deque[Tensor] = field(init=False)

    def __post_init__(self) -> None:
        if self.stability_threshold < 0:
            raise ValueError(f"stability_threshold must be >= 0, not {self.stability_threshold}")
        self._history = deque(maxlen=self.stability_threshold)

    def __call__(self, argmax: Tensor, entropy: Tensor, open: Tensor | None = None) -> Tensor:
        """Rows [B] that are done after a step with likeliest tokens `argmax` and `entropy` [B, C].

        A row without an open position is confident, and stable once there is a history.
        """
        if open is None:
            open = torch.ones_like(argmax, dtype=torch.bool)
        count = open.sum(dim=-1).clamp_min(1)
        mean = entropy.masked_fill(~open, 0.0).sum(dim=-1) / count
        done = mean < self.confidence_threshold
        done &= len(self._history) == self.stability_threshold
        for past in self._history:
            done &= ((past == argmax) | ~open).all(dim=-1)
        self._history.append(argmax)
        return done

    def keep(self, rows: Tensor) -> None:
        """Forget the canvases that `rows` [B] does not select: they have left the batch."""
        self._history = deque((past[rows] for past in self._history), self.stability_threshold)


class Draws(Protocol):
    """Where a denoising loop takes its randomness from; tests inject their own."""

    def ids(self, *shape: int) -> Tensor:
        """Token ids, uniform: a fresh canvas, or noise."""
        ...

    def race(self, *shape: int) -> Tensor:
        """Exp(1), float32: what `sample` wants."""
        ...


@dataclass(frozen=True, slots=True)
class Seeded:
    """Draws from a generator (None: torch's global one); ids below `vocabulary` or from `pool`."""

    vocabulary: int
    device: torch.device
    generator: torch.Generator | None = None
    pool: Tensor | None = None

    def ids(self, *shape: int) -> Tensor:
        size = self.vocabulary if self.pool is None else len(self.pool)
        drawn = torch.randint(size, shape, device=self.device, generator=self.generator)
        return drawn if self.pool is None else self.pool[drawn]

    def race(self, *shape: int) -> Tensor:
        empty = torch.empty(shape, device=self.device)
        return empty.exponential_(generator=self.generator)
