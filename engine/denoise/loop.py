"""The denoising loop: from noise in the holes to text, all candidates side by side.

It is a generator. Before each step it yields what it needs to know of the model, a Question, and is
sent the Answer: by whom, and together with whose questions, is a driver's affair
(engine/denoise/drivers). What the rule (engine/denoise/rules) accepts keeps its token; the other
open positions get fresh noise. Pinned positions are exact at every step, in the canvas and in the
self-conditioning signal; they count in no entropy, acceptance, stability or confidence, because the
loop sees open positions alone.

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

from engine.api import Cancelled, IsCancelled
from engine.denoise.canvas import Canvas
from engine.denoise.rules import Denoising, Reading, Rule, rule_of
from engine.denoise.sampler import Draws, renoise
from engine.models.family import Context, Look, Model


@dataclass(frozen=True, slots=True)
class Step:
    """What the loop believes after a step: the tokens [B, M] of the open positions, and their
    probabilities [B, M] at temperature 1."""

    number: int
    tokens: Tensor
    probability: Tensor


OnStep = Callable[[Step], None]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A step: what it asks of the model, and how it decides on the model's answer.

    `canvas` holds what `look` looks at. `banned` [V], or [B, M, V] for all canvases that the fill
    began with, is True for tokens that may not be written; `penalty` is what that adds to logits.
    """

    look: Look[Any]
    canvas: Canvas
    settings: Denoising
    draws: Draws
    banned: Tensor
    penalty: Tensor
    rule: Rule

    @property
    def number(self) -> int:
        return self.look.number

    def decide(self, model: Model[Any], logits: Tensor) -> Answer:
        """The answer that `logits` [B, M, V] of the look give, which are used up: there are none
        larger than they."""
        logits += self.penalty if self.penalty.ndim == 1 else self.penalty[self.look.rows]
        reading = self.rule.read(logits, self.canvas, self.number, self.draws)
        go_on = partial(self._go_on, model, reading)
        return Answer(reading.tokens, reading.probability, reading.done, go_on)

    def _go_on(self, model: Model[Any], reading: Reading) -> tuple[Canvas, Tensor | None]:
        noise = self.draws.ids(*reading.chosen.shape)
        canvas = self.canvas.write(renoise(reading.chosen, reading.accepted, noise))
        if not self.settings.self_conditioning:
            return canvas, None
        return canvas, model.signal(reading.beliefs, canvas.ids, canvas.places, canvas.real)


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What came of a step, of the canvases that it looked at: as in Step, and which are `done` [B].

    `go_on` gives the next canvases, and the signal of what is believed now. Where `done` is still
    on its way from the device, `is_late`, canvases stay in the batch when they are done, and it is
    read one step later.
    """

    tokens: Tensor
    probability: Tensor
    done: Tensor
    go_on: Callable[[], tuple[Canvas, Tensor | None]]
    is_late: bool = False


@torch.no_grad()
def denoise(
    context: Context,
    canvas: Canvas,
    settings: Denoising,
    draws: Draws,
    banned: Tensor,
    on_step: OnStep | None = None,
    cancelled: IsCancelled | None = None,
) -> Generator[Question, Answer, Step]:
    """Resolve every hole of `canvas`; the last Step says what was found and in how many steps.

    `banned` as in Question. Candidates that are done leave the batch, or keep what they say. Raises
    Cancelled when `cancelled()` is true before a step.
    """
    best = Step(0, canvas.read(), canvas.real.new_zeros(canvas.real.shape, dtype=torch.float32))
    rows = torch.arange(canvas.ids.shape[0], device=canvas.ids.device)
    finished = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    flag = _LateFlag(rows.device)
    signal: Tensor | None = None
    memory: dict[str, Any] = {}
    rule = rule_of(settings, canvas)
    penalty = torch.zeros(banned.shape, device=banned.device).masked_fill_(banned, -torch.inf)
    for number in range(1, settings.steps + 1):
        if cancelled is not None and cancelled():
            raise Cancelled("the fill was cancelled")
        look = Look(canvas.ids, context, canvas.places, signal, number, rows, memory)
        answer = yield Question(look, canvas, settings, draws, banned, penalty, rule)
        if answer.is_late:
            best = Step(
                number,
                torch.where(finished[:, None], best.tokens, answer.tokens),
                torch.where(finished[:, None], best.probability, answer.probability),
            )
            finished = finished | answer.done
        else:
            best = Step(
                number,
                best.tokens.index_copy(0, rows, answer.tokens),
                best.probability.index_copy(0, rows, answer.probability),
            )
        if on_step is not None:
            on_step(best)
        are_done = flag.exchange(finished.all()) if answer.is_late else bool(answer.done.all())
        if are_done or number == settings.steps:
            break
        canvas, signal = answer.go_on()
        if not answer.is_late and bool(answer.done.any()):
            keep = ~answer.done
            rows, canvas = rows[keep], canvas.rows(keep)
            signal = signal[keep] if signal is not None else None
            rule.keep(keep)
        del answer  # what it was made of may go before the next look
    return best


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
