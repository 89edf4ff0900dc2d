"""Steps that stay on the card: look, decision, noise and signal as one CUDA graph per size.

Everything a step reads lies in tensors of its own, and it leaves the next canvas and the next
signal there. Nothing is read back inside a step, and after it nothing but whether all canvases are
done, one step late, so that the card never waits for the host. The step that is too many changes
nothing: a canvas that is done keeps what it held then. Canvases do not leave the batch, whose size
is captured.

Fills take turns at the graph of their size. One that another has taken its place from finds its
canvas, signal and prompt put back, so that nobody's answers depend on company.

Without a card the same steps are recorded and replayed uncaptured (recording.py), which is how they
are tested, with the kernels interpreted and without. No card has run them yet.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from engine.denoise.canvas import Canvas
from engine.denoise.drivers.eager import Eager
from engine.denoise.drivers.recording import Recording
from engine.denoise.loop import Answer, Question
from engine.denoise.rules import Denoising
from engine.denoise.sampler import Draws, Seeded
from engine.models.family import Context, FixedLook, FixedSize, Model
from kernels.acceptance import EntropyBound, accept

BUCKETS = (256, 1024, 2048, 4096, 8192, 16384, 32768)
KEPT = 2  # sizes: a line's and a block's. Each holds keys and values for its whole bucket.
STRIDE = 0x9E3779B1  # apart from each other: the seeds of steps, and those of requests


def bucket_of(length: int) -> int:
    """The least KV bucket that holds `length` tokens; beyond the last, multiples of it."""
    last = BUCKETS[-1]
    return next((size for size in BUCKETS if length <= size), -(-length // last) * last)


def does(settings: Denoising, draws: Draws) -> bool:
    """Whether the captured step decides as `settings` ask: by DiffusionGemma's own rule. The orders
    of masked models are not captured, nor are holes that change their length: their canvases have
    another size after such a step."""
    return (
        settings.order == "surest"
        and settings.slack is None
        and settings.self_conditioning
        and settings.stability_threshold == 1
        and isinstance(draws, Seeded)
        and draws.generator is not None
    )


class Captured:
    """A Driver of captured steps, of the sizes used last. What they do not do is answered eagerly,
    together."""

    def __init__(self, model: Model[Any]) -> None:
        self._model = model
        self._eager = Eager(model)
        self._steps: OrderedDict[tuple[object, ...], CapturedStep] = OrderedDict()

    @torch.no_grad()
    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        answers = {
            at: step.answer(question)
            for at, question in enumerate(questions)
            if (step := self._step(question)) is not None
        }
        others = [at for at in range(len(questions)) if at not in answers]
        if others:
            eager = self._eager.answer([questions[at] for at in others])
            answers.update(zip(others, eager, strict=True))
        return [answers[at] for at in range(len(questions))]

    def _step(self, question: Question) -> CapturedStep | None:
        """The step of this size and rule, captured when it first runs. None where there can be
        none, for this or any other question of the fill."""
        settings, draws = question.settings, question.draws
        if not does(settings, draws) or question.look.lengths is not None:
            return None
        if question.joint is not None:
            return None  # what fits together is decided on the host
        assert isinstance(draws, Seeded)
        size = size_of(question)
        is_apart = question.banned.ndim > 1
        rule = settings.entropy_bound, settings.confidence_threshold, settings.quota
        pool = None if draws.pool is None else tuple(draws.pool.tolist())
        key = size, is_apart, *rule, settings.greedy, pool
        if key not in self._steps:
            look = self._model.fixed(size)
            if look is None:
                return None
            while len(self._steps) >= KEPT:
                _, left = self._steps.popitem(last=False)
                left.leave()
            share = torch.zeros(1, device=self._model.device) if settings.quota else None
            bound = EntropyBound(*rule[:2], draws.vocabulary, share, draws.pool)
            vocabulary = self._model.config.vocab_size
            self._steps[key] = CapturedStep(
                look, size, bound, vocabulary, is_apart=is_apart, greedy=settings.greedy
            )
        self._steps.move_to_end(key)
        return self._steps[key]


def size_of(question: Question) -> FixedSize:
    batch, width = question.canvas.ids.shape
    bucket = bucket_of(question.look.context.length)
    return FixedSize(batch, width, question.canvas.places.shape[1], bucket)


@dataclass(frozen=True, slots=True)
class _Saved:
    """Where a fill stood when another took its place: canvas ids, signal, last likeliest tokens."""

    ids: Tensor
    signal: Tensor
    before: Tensor


class CapturedStep:
    """One size's tensors and graphs.

    `is_apart` says that each open position has tokens of its own that may not be written; `greedy`
    that an accepted position takes its likeliest token, not a sampled one.
    """

    def __init__(
        self,
        look: FixedLook[Any],
        size: FixedSize,
        bound: EntropyBound,
        vocabulary: int,
        *,
        is_apart: bool = False,
        greedy: bool = False,
    ) -> None:
        self.look, self.size, self.bound, self.greedy = look, size, bound, greedy
        device = look.ids.device

        def zeros(*shape: int, dtype: torch.dtype) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=device)

        shape = size.batch, size.positions
        self.real = zeros(*shape, dtype=torch.bool)
        self.tokens = zeros(*shape, dtype=torch.int64)
        self.probability = zeros(*shape, dtype=torch.float32)
        self.before = zeros(*shape, dtype=torch.int64)
        self.done = zeros(size.batch, dtype=torch.bool)
        self.temperature = zeros(1, dtype=torch.float32)
        self.seed = zeros(1, dtype=torch.int64)
        rows = (size.batch * size.positions,) if is_apart else ()
        self.banned = zeros(*rows, vocabulary, dtype=torch.bool)
        self._recordings: dict[bool, Recording] = {}
        self._memory: dict[str, Any] | None = None  # of the fill whose place this is

    def answer(self, question: Question) -> Answer:
        """A step of the fill that asks."""
        memory, number = question.look.memory, question.number
        if self._memory is not memory:
            self.leave()
            self._enter(question)
        draws = question.draws
        assert isinstance(draws, Seeded)
        assert draws.generator is not None
        if self.bound.share is not None:
            self.bound.share.fill_(number / question.settings.steps)
        seed = (draws.generator.initial_seed() + number * STRIDE) % 2**62
        self.run(number, question.settings.temperature(number), seed)
        canvas = question.canvas

        def go_on() -> tuple[Canvas, Tensor | None]:
            return replace(canvas, ids=self.look.ids), self.look.signal

        # Another fill may have the next turn here before these are read.
        tokens, probability, done = (
            each.clone() for each in (self.tokens, self.probability, self.done)
        )
        return Answer(tokens, probability, done, go_on, is_late=True)

    def load(self, context: Context, canvas: Canvas, banned: Tensor) -> None:
        """Begin with `canvas` after the prompt of `context`; `banned` [V], or [B, M, V] where each
        position has its own, may not be written."""
        self.look.load(context)
        self.look.ids.copy_(canvas.ids)
        self.look.positions.copy_(canvas.places)
        self.real.copy_(canvas.real)
        self.banned.copy_(banned.view_as(self.banned))
        self.before.fill_(-1)

    @torch.no_grad()
    def run(self, number: int, temperature: float, seed: int) -> None:
        """Step `number`, from 1: then `tokens`, `probability` and `done` are what came of it, and
        the look has the next canvases and their signal."""
        self.temperature.fill_(temperature)
        self.seed.fill_(seed)
        self._replay(first=number == 1)

    def leave(self) -> None:
        """Put away what the fill whose place this is needs to come back."""
        if self._memory is not None:
            state = self.look.ids, self.look.signal, self.before
            self._memory[_HERE] = _Saved(*(each.clone() for each in state))
            self._memory = None

    def _enter(self, question: Question) -> None:
        self._memory = question.look.memory
        saved: _Saved | None = self._memory.pop(_HERE, None)
        self.load(question.look.context, question.canvas, question.banned)
        if saved is not None:
            self.look.ids.copy_(saved.ids)
            self.look.signal.copy_(saved.signal)
            self.before.copy_(saved.before)

    def _replay(self, first: bool) -> None:
        if first not in self._recordings:
            state = self.look.ids, self.look.signal, self.before
            work: Callable[[], None] = lambda: self._work(first)  # noqa: E731
            self._recordings[first] = Recording(work, state)
        self._recordings[first].replay()

    def _work(self, first: bool) -> None:
        look, shape = self.look, self.real.shape
        beliefs = look.believe(first, self.temperature, self.seed, self.banned)
        likeliest = beliefs.likeliest.view(shape)
        ids, done = accept(
            look.ids,
            look.positions,
            self.real,
            likeliest if self.greedy else beliefs.sampled.view(shape),
            likeliest,
            self.before,
            beliefs.entropy.view(shape),
            self.seed,
            self.bound,
        )
        look.ids.copy_(ids)
        look.listen(beliefs, self.real)
        self.done.copy_(done)
        self.before.copy_(likeliest)
        self.tokens.copy_(likeliest)
        self.probability.copy_(beliefs.probability.view(shape))


_HERE = "captured"

__all__ = ["BUCKETS", "Captured", "CapturedStep", "bucket_of", "does", "size_of"]
