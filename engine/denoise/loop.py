"""The denoising loop: from noise in the holes to text, all candidates side by side.

It is a generator. Before each step it yields what it needs to know of the model, a Question, and is
sent the Answer: by whom, and together with whose questions, is a driver's affair
(engine/denoise/drivers). What the rule (engine/denoise/rules) accepts keeps its token; the other
open positions get fresh noise. Pinned positions are exact at every step, in the canvas and in the
self-conditioning signal; they count in no entropy, acceptance, stability or confidence, because the
loop sees open positions alone. Where a rule lets holes change their length, the canvas does so
between two steps.

Only looks are Questions: the causal passes of a fill (engine/fill: prefix_cache, beam, rank) each
go on from that fill's own context and are seldom of the same size twice, so that no driver could
answer two of them together, or capture one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from engine.api import Cancelled, IsCancelled
from engine.denoise.canvas import Canvas
from engine.denoise.edits import Edits, Span, spans_of
from engine.denoise.rules import BeliefRule, Denoising, Joint, Reading, Rule, rule_of
from engine.denoise.sampler import Draws, renoise
from engine.models.family import Context, Look, Model, PromptReading
from kernels.vocabulary import Beliefs


@dataclass(frozen=True, slots=True)
class Step:
    """What the loop believes after a step: the tokens [B, M] of the open positions, their
    probabilities [B, M] at temperature 1, and the lengths of each canvas's holes."""

    number: int
    tokens: Tensor
    probability: Tensor
    holes: tuple[tuple[int, ...], ...]

    def spans(self, row: int) -> list[Span]:
        """Where the holes of a canvas are among its open positions."""
        return spans_of(self.holes[row])

    @property
    def real(self) -> Tensor:
        """[B, M], False where a canvas has fewer open positions than others."""
        counts = torch.tensor([[sum(row)] for row in self.holes], device=self.tokens.device)
        return torch.arange(self.tokens.shape[1], device=counts.device) < counts


OnStep = Callable[[Step], None]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A step: what it asks of the model, and how it decides on the model's answer.

    `canvas` holds what `look` looks at. `banned` [V], or [B, M, V], is True for tokens that may not
    be written; `penalty` is what that adds to logits. `joint` is what the rule chooses tokens by,
    where holes are constrained.
    """

    look: Look[Any]
    canvas: Canvas
    settings: Denoising
    draws: Draws
    banned: Tensor
    penalty: Tensor
    rule: Rule
    joint: Joint | None = None

    @property
    def number(self) -> int:
        return self.look.number

    @property
    def follows_from_beliefs(self) -> bool:
        """Whether `decide_by` can answer it: tokens that have to fit together need all logits."""
        return self.settings.follows_from_beliefs and self.joint is None

    def decide(self, model: Model[Any], logits: Tensor) -> Answer:
        """The answer that `logits` [B, M, V] of the look give, which are used up: there are none
        larger than they."""
        logits += self.penalty
        return self._answer(model, self.rule.read(logits, self.canvas, self.number, self.draws))

    def decide_by(self, model: Model[Any], beliefs: Beliefs) -> Answer:
        """The same where it `follows_from_beliefs`: of what is believed [B * M] where
        `banned` may not be written."""
        assert isinstance(self.rule, BeliefRule)
        reading = self.rule.read_beliefs(beliefs, self.canvas, self.number, self.draws)
        return self._answer(model, reading)

    def _answer(self, model: Model[Any], reading: Reading) -> Answer:
        go_on = partial(self._go_on, model, reading)
        return Answer(reading.tokens, reading.probability, reading.done, go_on, edits=reading.edits)

    def _go_on(self, model: Model[Any], reading: Reading) -> tuple[Canvas, Tensor | None]:
        noise = self.draws.ids(*reading.chosen.shape)
        canvas = self.canvas.write(renoise(reading.chosen, reading.accepted, noise))
        if reading.edits is not None:
            assert self.settings.mask is not None
            return canvas.edited(reading.edits, self.settings.mask), None
        if not self.settings.self_conditioning:
            return canvas, None
        assert reading.beliefs is not None
        return canvas, model.signal(reading.beliefs, canvas.ids, canvas.places, canvas.real)


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What came of a step, of the canvases that it looked at: as in Step, and which are `done` [B].

    `go_on` gives the next canvases, and the signal of what is believed now. Where `done` is still
    on its way from the device, `is_late`, canvases stay in the batch when they are done, and it is
    read one step later. `edits` are those of the next canvases.
    """

    tokens: Tensor
    probability: Tensor
    done: Tensor
    go_on: Callable[[], tuple[Canvas, Tensor | None]]
    is_late: bool = False
    edits: Edits | None = None


@torch.no_grad()
def denoise(
    context: Context,
    canvas: Canvas,
    settings: Denoising,
    draws: Draws,
    banned: Tensor,
    on_step: OnStep | None = None,
    cancelled: IsCancelled | None = None,
    memory: dict[str, Any] | None = None,
    joint: Joint | None = None,
) -> Generator[Question, Answer, Step]:
    """Resolve every hole of `canvas`; the last Step says what was found and in how many steps.

    `banned` and `joint` as in Question, `memory` as in Look. Candidates that are done leave the
    batch, or keep what they say. Raises Cancelled when `cancelled()` is true before a step.
    """
    found = _Found(canvas)
    best = found.step(0)
    flag = _LateFlag(canvas.ids.device)
    signal: Tensor | None = None
    memory = {} if memory is None else memory
    rule = rule_of(settings, canvas, joint)
    penalty = _penalty(banned)
    for number in range(1, settings.steps + 1):
        if cancelled is not None and cancelled():
            raise Cancelled("the fill was cancelled")
        look = Look(
            *(canvas.ids, context, canvas.places, signal, number, found.rows, memory),
            lengths=canvas.lengths,
            prompt=_how_to_read(number, settings, rule),
        )
        answer = yield Question(look, canvas, settings, draws, banned, penalty, rule, joint)
        best = found.after(number, answer, canvas)
        if on_step is not None:
            on_step(best)
        if answer.is_late:
            are_done = flag.exchange(found.finished.all())
        else:
            are_done = bool(answer.done.all())
        if are_done or number == settings.steps:
            break
        canvas, signal = answer.go_on()
        if answer.edits is not None and banned.ndim > 1:
            # Only the ends of a hole have tokens of their own, and what is new is no end of one.
            banned = answer.edits.gather(banned, banned.flatten(0, 1).all(dim=0))
            penalty = _penalty(banned)
        if not answer.is_late and bool(answer.done.any()):
            keep = ~answer.done
            canvas = canvas.rows(keep)
            found.rows = found.rows[keep]
            signal = signal[keep] if signal is not None else None
            if banned.ndim > 1:
                banned, penalty = banned[keep], penalty[keep]
            rule.keep(keep)
        del answer  # what it was made of may go before the next look
    return best


def _penalty(banned: Tensor) -> Tensor:
    return torch.zeros(banned.shape, device=banned.device).masked_fill_(banned, -torch.inf)


def _how_to_read(number: int, settings: Denoising, rule: Rule) -> PromptReading:
    """How step `number` reads the prompt, where a family reads it with the canvas."""
    every = settings.prefix_refresh
    if every == 1:
        return "read"
    return "keep" if (number - 1) % every == 0 or rule.is_last(number) else "reuse"


class _Found:
    """What is known so far of every canvas that a fill began with; `rows` [B'] are those that are
    still in the batch, and `finished` [B] those that say what they will."""

    def __init__(self, canvas: Canvas) -> None:
        self.rows = torch.arange(canvas.ids.shape[0], device=canvas.ids.device)
        self.finished = torch.zeros_like(self.rows, dtype=torch.bool)
        self._tokens = canvas.read()
        self._probability = torch.zeros(canvas.real.shape, device=canvas.real.device)
        self._holes = list(canvas.holes)

    def after(self, number: int, answer: Answer, canvas: Canvas) -> Step:
        tokens, probability = answer.tokens, answer.probability
        if answer.is_late:
            self._tokens = torch.where(self.finished[:, None], self._tokens, tokens)
            self._probability = torch.where(self.finished[:, None], self._probability, probability)
            self.finished = self.finished | answer.done
        else:
            width = max(tokens.shape[1], self._tokens.shape[1])
            kept, fresh = (_widened(each, width) for each in (self._tokens, tokens))
            self._tokens = kept.index_copy(0, self.rows, fresh)
            kept, fresh = (_widened(each, width) for each in (self._probability, probability))
            self._probability = kept.index_copy(0, self.rows, fresh)
            if canvas.lengths is not None:
                for row, holes in zip(self.rows.tolist(), canvas.holes, strict=True):
                    self._holes[row] = holes
        return self.step(number)

    def step(self, number: int) -> Step:
        return Step(number, self._tokens, self._probability, tuple(self._holes))


def _widened(values: Tensor, width: int) -> Tensor:
    return pad(values, (0, width - values.shape[1]))


class _LateFlag:
    """A flag on its way from the device, read one step after it was sent: nobody waits for it."""

    def __init__(self, device: torch.device) -> None:
        on_card = device.type == "cuda"
        self._here = torch.zeros((), dtype=torch.bool, pin_memory=on_card)
        self._sent = torch.cuda.Event() if on_card else None

    def exchange(self, flag: Tensor) -> bool:
        """What was sent the last time, False at first; `flag` is sent now."""
        if self._sent is not None:
            self._sent.synchronize()
        before = bool(self._here)
        self._here.copy_(flag, non_blocking=True)
        if self._sent is not None:
            self._sent.record()
        return before


__all__ = ["Answer", "Denoising", "OnStep", "Question", "Step", "denoise"]
