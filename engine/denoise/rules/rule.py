"""What every rule is: it reads a step's logits, and says which positions keep their token."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

from torch import Tensor

from engine.denoise.canvas import Canvas
from engine.denoise.edits import Edits
from engine.denoise.sampler import Draws, temperature
from kernels.vocabulary import Beliefs

Rounding = Literal["down", "nearest"]
MostCertain = Literal["confidence", "entropy", "margin"]
Order = Literal["surest", "left", "confidence", "entropy", "margin", "p2"]
MOST_CERTAIN: tuple[MostCertain, ...] = get_args(MostCertain)
MASKED: tuple[Order, ...] = (*MOST_CERTAIN, "p2")  # the published orders of masked models


@dataclass(frozen=True, slots=True)
class Denoising:
    """How to denoise; the words are those of DiffusionGemma's generation_config.json.

    greedy: an accepted position takes its likeliest token, not a sampled one.
    quota: accept at least an even share at every step, so that a hole is whole after `steps` steps
        however uncertain the model is.
    slack: the token that fills a hole's end, where the model knows one.
    order: which rule; "left" needs slack, and those of MASKED a mask.
    stride_growth: in the order from the left, the entropy bound is entropy_bound + stride_growth *
        loss, where loss is -log of the probability of the tokens accepted so far: a text that is
        hardly right any more is resolved in larger strides.
    abandon_loss: in the order from the left, a text whose loss is above it is abandoned: the rest
        of it is taken as it stands, unless there is no better one.
    prefix_refresh: what a model reads of a prompt with a canvas is read again every so many steps,
        and when the last tokens are chosen; in between what was read stands in. 1: at every step.

    Of the orders of MASKED alone, in the words of the releases:

    mask: the token that stands where none is known. All others are given, and stay.
    expand: the token that becomes two masks, where the model knows one; then a hole grows to
        `hole_tokens` at most, in at most `expansions` such steps.
    top_p: tokens are drawn of the likeliest that have so much probability together.
    position_temperature: above 0, positions are drawn by their scores over it (alg_temp).
    tokens_per_step: so many tokens are chosen at a step; None spreads them over `steps`.
    rounding: of the tokens of a step, where they are spread: "down" as Dream and Open-dLLM do,
        "nearest" as dLLM does.
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
    order: Order = "surest"
    stride_growth: float = 0.0
    abandon_loss: float = math.inf
    prefix_refresh: int = 1
    mask: int | None = None
    expand: int | None = None
    hole_tokens: int = 0
    expansions: int = 0
    top_p: float = 1.0
    position_temperature: float = 0.0
    tokens_per_step: int | None = None
    rounding: Rounding = "down"

    def __post_init__(self) -> None:
        if self.order == "left" and self.slack is None:
            raise ValueError("the order from the left needs a slack token, which ends a hole")
        if self.order in MASKED and self.mask is None:
            raise ValueError(f"the order {self.order!r} needs a mask, as the one token of noise")
        if self.expand is not None and (self.order not in MOST_CERTAIN or self.self_conditioning):
            raise ValueError(
                f"a hole grows in the orders {', '.join(MOST_CERTAIN)} alone, and without"
                " self-conditioning"
            )
        if self.expand is not None and self.tokens_per_step is None:
            raise ValueError("where holes grow, tokens_per_step must say how many a step chooses")

    @property
    def follows_from_beliefs(self) -> bool:
        """Whether a step decides by each position's likeliest token, its probability and the
        entropy alone, so that no logits are needed. A nucleus, a margin and what is drawn need
        more of them, and holes that grow have tokens that are barred hole by hole."""
        return (
            self.order in ("confidence", "entropy", "p2")
            and self.greedy
            and self.top_p >= 1
            and self.expand is None
            and not self.self_conditioning
        )

    def temperature(self, number: int) -> float:
        """The temperature of step `number`."""
        return temperature(number, self.steps, self.t_min, self.t_max)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule makes of a step's logits.

    `tokens` [B, M] are the likeliest and `probability` [B, M] theirs; where `accepted` [B, M],
    `chosen` [B, M] stay on the canvas. `done` [B]; the logits `beliefs` [B, M, V] condition the
    next step, where there is self-conditioning: None where a step was decided without logits.
    `edits` say how holes then change their length; None where none does.
    """

    tokens: Tensor
    probability: Tensor
    chosen: Tensor
    accepted: Tensor
    done: Tensor
    beliefs: Tensor | None
    edits: Edits | None = None


class Rule(Protocol):
    """Remembers the steps of one batch of canvases."""

    def read(self, logits: Tensor, canvas: Canvas, number: int, draws: Draws) -> Reading:
        """Of step `number`, from 1; `logits` [B, M, V] may be used up."""
        ...

    def is_last(self, number: int) -> bool:
        """Whether step `number`, which comes next, chooses the last tokens of a canvas, as far as
        can be known before it."""
        ...

    def keep(self, rows: Tensor) -> None:
        """Forget the canvases that `rows` [B] does not select: they have left the batch."""
        ...


@runtime_checkable
class BeliefRule(Rule, Protocol):
    """One that can do without logits, where `Denoising.follows_from_beliefs`."""

    def read_beliefs(self, beliefs: Beliefs, canvas: Canvas, number: int, draws: Draws) -> Reading:
        """As `read`, of the open positions' `beliefs` [B * M] at temperature 1."""
        ...
