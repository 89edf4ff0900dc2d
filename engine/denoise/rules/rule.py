"""What every rule is: it reads a step's logits, and says which positions keep their token."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from engine.denoise.canvas import Canvas
from engine.denoise.sampler import Draws, temperature


@dataclass(frozen=True, slots=True)
class Denoising:
    """How to denoise; the words are those of DiffusionGemma's generation_config.json.

    greedy: an accepted position takes its likeliest token, not a sampled one.
    quota: accept at least an even share at every step, so that a hole is whole after `steps` steps
        however unsure the model is.
    slack: the token that fills a hole's end, where the model knows one.
    order: which rule; "left" needs slack.
    stride_growth: in the order from the left, the entropy bound is entropy_bound + stride_growth *
        loss, where loss is -log of the probability of the tokens accepted so far: a text that is
        hardly right any more is resolved in larger strides.
    abandon_loss: in the order from the left, a text whose loss is above it is abandoned: the rest
        of it is taken as it stands, unless there is no better one.
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
    stride_growth: float = 0.0
    abandon_loss: float = math.inf

    def __post_init__(self) -> None:
        if self.order == "left" and self.slack is None:
            raise ValueError("the order from the left needs a slack token, which ends a hole")

    def temperature(self, number: int) -> float:
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
