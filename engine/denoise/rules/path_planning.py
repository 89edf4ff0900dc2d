"""The rule that plans its path (P2, arXiv 2502.03540, as Open-dLLM has it): at each step a larger
share of a hole is filled, and of all of it the most doubtful positions are masked, again too."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.denoise.canvas import Canvas
from engine.denoise.rules.choice import Choice, choice_of, choose, highest
from engine.denoise.rules.joint import Joint
from engine.denoise.rules.rule import Denoising, Reading
from engine.denoise.sampler import Draws
from kernels.vocabulary import Beliefs


class PathPlanning:
    """What was given is never masked. A position that is filled is doubted by what the model would
    write there now, and keeps its token where it stays; its probability is that of the step in
    which it took it. In a constrained hole what has a token keeps it.

    Done when no position is masked. The first steps of a short hole would fill nothing: it begins
    with the first that does.
    """

    def __init__(self, settings: Denoising, canvas: Canvas, joint: Joint | None = None) -> None:
        assert settings.mask is not None
        self._settings, self._joint = settings, joint
        self._tokens = canvas.read()
        self._open = canvas.real & (self._tokens == settings.mask)
        self._masked = self._open
        self._probability = torch.ones(canvas.real.shape, device=canvas.real.device)
        size = self._open.sum(dim=-1, keepdim=True)
        # The first step that leaves fewer positions masked than there are.
        steps = torch.arange(1, settings.steps + 1, device=size.device)
        self._skipped = (self._left_masked(size, steps) >= size).sum(dim=-1, keepdim=True)

    def read(self, logits: Tensor, canvas: Canvas, number: int, draws: Draws) -> Reading:
        if self._joint is not None:
            # Nothing else fits to the others in its place, so that nothing of it is doubted.
            known = canvas.real & ~self._masked
            self._joint.narrow(logits, canvas, self._tokens, known)
        choice = choose(logits, self._settings, number, draws, canvas, self._joint)
        return self._settle(choice, logits, number)

    def read_beliefs(self, beliefs: Beliefs, canvas: Canvas, number: int, draws: Draws) -> Reading:
        choice = choice_of(beliefs, self._settings, canvas.real.shape)
        return self._settle(choice, None, number)

    def _settle(self, choice: Choice, logits: Tensor | None, number: int) -> Reading:
        size = self._open.sum(dim=-1, keepdim=True)
        filled = highest(choice.score, self._open, size - self._remain_masked(number, size))
        fresh = filled & self._masked
        self._masked = self._open & ~filled
        self._tokens = torch.where(fresh, choice.tokens, self._tokens)
        self._probability = torch.where(fresh, choice.probability, self._probability)
        return Reading(
            tokens=torch.where(self._masked, choice.tokens, self._tokens),
            probability=torch.where(self._masked, choice.probability, self._probability),
            chosen=self._tokens,
            accepted=~self._masked,
            done=~self._masked.any(dim=-1),
            beliefs=logits,
        )

    def is_last(self, number: int) -> bool:
        size = self._open.sum(dim=-1, keepdim=True)
        return bool((self._remain_masked(number, size) <= 0).any())

    def keep(self, rows: Tensor) -> None:
        if self._joint is not None:
            self._joint.keep(rows)
        self._tokens, self._open = self._tokens[rows], self._open[rows]
        self._masked, self._probability = self._masked[rows], self._probability[rows]
        self._skipped = self._skipped[rows]

    def _remain_masked(self, number: int, size: Tensor) -> Tensor:
        """[B, 1], of `size` [B, 1] positions after step `number`."""
        if number == self._settings.steps:
            return torch.zeros_like(size)
        return self._left_masked(size, self._skipped + number)

    def _left_masked(self, size: Tensor, steps: Tensor) -> Tensor:
        filled = (steps.double() / self._settings.steps).clamp_max(1.0)
        return (size.float() * (1 - filled).float()).long()


__all__ = ["PathPlanning"]
