"""The denoising loop on a card: the captured step of engine/denoise/step.py, replayed.

Nothing is read back inside a step, and after it nothing but whether all canvases are done, one step
late, so that the card never waits for the host. The step that is too many changes nothing: a canvas
that is done keeps what it said then. Canvases do not leave the batch, whose size is captured.

Unproven: the loop is tested on a CPU, where the step runs uncaptured; it has not run on a card yet.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor

from engine.api import Cancelled, IsCancelled
from engine.denoise.canvas import Canvas
from engine.denoise.loop import Denoising, OnStep, Step
from engine.denoise.sampler import Seeded
from engine.denoise.step import Shape
from engine.denoise.step import Step as Captured
from engine.models.diffusion_gemma import DiffusionGemma, KVCache
from kernels.acceptance import Rule

KEPT = 2  # shapes: a line's and a block's. Each holds keys and values for its whole bucket.
STRIDE = 0x9E3779B1  # apart from each other: the seeds of steps, and those of requests


def replays(settings: Denoising, draws: object) -> bool:
    """Whether the captured step does what `settings` ask for: DiffusionGemma's own rule."""
    return (
        settings.order == "surest"
        and settings.slack is None
        and settings.self_conditioning
        and settings.stability_threshold == 1
        and isinstance(draws, Seeded)
        and draws.generator is not None
    )


class Replay:
    """The captured steps of a model, of the shapes used last."""

    def __init__(self, model: DiffusionGemma) -> None:
        self._model = model
        self._steps: OrderedDict[tuple[object, ...], Captured] = OrderedDict()

    @torch.no_grad()
    def denoise(
        self,
        cache: KVCache,
        canvas: Canvas,
        settings: Denoising,
        draws: Seeded,
        banned: Tensor,
        on_step: OnStep | None = None,
        cancelled: IsCancelled | None = None,
    ) -> Step:
        """As `engine.denoise.loop.denoise`, where `replays(settings, draws)`."""
        assert draws.generator is not None
        seed = draws.generator.initial_seed()
        step = self._step(Shape.of(canvas, cache, banned), settings, draws)
        step.load(canvas, cache, banned)
        tokens = canvas.read()
        probability = torch.zeros(tokens.shape, device=tokens.device)
        done = torch.zeros(len(tokens), dtype=torch.bool, device=tokens.device)
        flag = _LateFlag(tokens.device)
        for number in range(1, settings.steps + 1):
            if cancelled is not None and cancelled():
                raise Cancelled("the fill was cancelled")
            if step.rule.share is not None:
                step.rule.share.fill_(number / settings.steps)
            beliefs = step.run(number, settings.heat(number), (seed + number * STRIDE) % 2**62)
            keeps = done[:, None]
            tokens = torch.where(keeps, tokens, beliefs.likeliest.view_as(tokens))
            probability = torch.where(keeps, probability, beliefs.certainty.view_as(tokens))
            best = Step(number, tokens, probability)
            done = done | step.done
            if on_step is not None:
                on_step(best)
            if number > 1 and flag.read():
                break
            flag.write(done.all())
        return best

    def _step(self, shape: Shape, settings: Denoising, draws: Seeded) -> Captured:
        """The step of this shape and rule, captured when it first runs."""
        rule = settings.entropy_bound, settings.confidence_threshold, settings.quota
        pool = None if draws.pool is None else tuple(draws.pool.tolist())
        key = shape, *rule, settings.greedy, pool
        if key not in self._steps:
            while len(self._steps) >= KEPT:
                self._steps.popitem(last=False)
            share = torch.zeros(1, device=self._model.device) if settings.quota else None
            self._steps[key] = Captured(
                self._model,
                shape,
                Rule(*rule[:2], draws.vocabulary, share, draws.pool),
                greedy=settings.greedy,
            )
        self._steps.move_to_end(key)
        return self._steps[key]


class _LateFlag:
    """A flag on its way from the device: `read` waits for what was written last, no longer."""

    def __init__(self, device: torch.device) -> None:
        on_card = device.type == "cuda"
        self._here = torch.zeros((), dtype=torch.bool, pin_memory=on_card)
        self._sent = torch.cuda.Event() if on_card else None

    def write(self, flag: Tensor) -> None:
        self._here.copy_(flag, non_blocking=True)
        if self._sent is not None:
            self._sent.record()

    def read(self) -> bool:
        if self._sent is not None:
            self._sent.synchronize()
        return bool(self._here)


__all__ = ["Replay", "replays"]
