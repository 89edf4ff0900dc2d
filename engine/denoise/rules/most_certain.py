"""The rule of the published masked models: at each step the most certain of the masked positions
take their token, and keep it."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.denoise.canvas import Canvas
from engine.denoise.rules.choice import Choice, choice_of, choose, highest
from engine.denoise.rules.growing import Growth, deleted_with
from engine.denoise.rules.joint import Joint
from engine.denoise.rules.rule import Denoising, Reading
from engine.denoise.rules.schedule import spread
from engine.denoise.sampler import Draws
from kernels.vocabulary import Beliefs


class MostCertainFirst:
    """`Denoising.order` says what is certain: a token of much probability ("confidence"), little
    entropy, or a wide margin before the second likeliest.

    Done when no position is masked. A token's probability is the one it had when it was chosen.
    """

    def __init__(self, settings: Denoising, canvas: Canvas, joint: Joint | None = None) -> None:
        assert settings.mask is not None
        self._settings, self._joint = settings, joint
        self._tokens = canvas.read()
        self._masked = canvas.real & (self._tokens == settings.mask)
        self._probability = torch.ones(canvas.real.shape, device=canvas.real.device)
        self._counts = self._spread() if settings.tokens_per_step is None else None
        self._growth = Growth(settings, canvas)

    def read(self, logits: Tensor, canvas: Canvas, number: int, draws: Draws) -> Reading:
        settings = self._settings
        self._growth.forbid(logits, canvas, is_last=number == settings.steps)
        if self._joint is not None:
            self._joint.narrow(logits, canvas, self._tokens, canvas.real & ~self._masked)
        choice = choose(logits, settings, number, draws, canvas, self._joint)
        return self._settle(choice, logits, canvas, number, draws)

    def read_beliefs(self, beliefs: Beliefs, canvas: Canvas, number: int, draws: Draws) -> Reading:
        choice = choice_of(beliefs, self._settings, canvas.real.shape)
        return self._settle(choice, None, canvas, number, draws)

    def _settle(
        self,
        choice: Choice,
        logits: Tensor | None,
        canvas: Canvas,
        number: int,
        draws: Draws,
    ) -> Reading:
        settings, masked = self._settings, self._masked
        is_last = number == settings.steps
        score = choice.score
        if settings.position_temperature > 0:
            noise = draws.race(*score.shape)
            score = score / settings.position_temperature - noise.log()
        count = masked.sum(dim=-1, keepdim=True) if is_last else self._count(number)
        fresh = highest(score, masked, count)
        tokens, probability = choice.tokens, choice.probability
        if settings.slack is not None:
            deleted = deleted_with(fresh, tokens, masked, settings.slack, canvas)
            probability = probability.masked_fill(deleted & ~fresh, 1.0)  # it follows
            tokens = tokens.masked_fill(deleted, settings.slack)
            fresh = fresh | deleted
        grown = fresh & (tokens == settings.expand) if settings.expand is not None else ~canvas.real
        self._masked = masked & (~fresh | grown)
        self._tokens = torch.where(fresh, tokens, self._tokens)
        self._probability = torch.where(fresh, probability, self._probability)
        shown, likely = choice.tokens, choice.probability
        if logits is not None:
            shown, likely = self._likeliest_text(logits)
        done = ~self._masked.any(dim=-1)
        edits = self._growth.edits(self._tokens, fresh & ~done[:, None], canvas)
        reading = Reading(
            tokens=torch.where(self._masked, shown, self._tokens),
            probability=torch.where(self._masked, likely, self._probability),
            chosen=self._tokens,
            accepted=~self._masked,
            done=done,
            beliefs=logits,
            edits=edits,
        )
        if edits is not None:
            self._masked = edits.gather(self._masked, True) & edits.real(masked.device)
            self._tokens = edits.gather(self._tokens, settings.mask or 0)
            self._probability = edits.gather(self._probability, 1.0)
        return reading

    def is_last(self, number: int) -> bool:
        if number == self._settings.steps:
            return True
        ends = self._masked.sum(dim=-1, keepdim=True) <= self._count(number)
        return bool(ends.any())

    def keep(self, rows: Tensor) -> None:
        self._tokens, self._masked = self._tokens[rows], self._masked[rows]
        self._probability = self._probability[rows]
        self._counts = None if self._counts is None else self._counts[rows]
        self._growth.keep(rows)
        if self._joint is not None:
            self._joint.keep(rows)

    def _spread(self) -> Tensor:
        """How many tokens each canvas chooses at each step, [B, S]."""
        settings = self._settings
        rows = [
            spread(masked, settings.steps, settings.rounding)
            for masked in self._masked.sum(dim=-1).tolist()
        ]
        most = max(1, *map(len, rows))
        padded = [[*row, *[0] * (most - len(row))] for row in rows]
        return torch.tensor(padded, device=self._masked.device)

    def _count(self, number: int) -> Tensor:
        """How many tokens step `number` chooses, [B, 1] or one for all."""
        if self._counts is None:
            return torch.tensor([[self._settings.tokens_per_step]], device=self._masked.device)
        return self._counts[:, min(number, self._counts.shape[1]) - 1, None]

    def _likeliest_text(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """What a draft shows of a masked position, [B, M]: no expansion, which is no text."""
        if self._settings.expand is not None:
            logits[..., self._settings.expand] = -torch.inf
        likeliest = logits.max(dim=-1)
        return likeliest.indices, (likeliest.values - logits.logsumexp(dim=-1)).exp()


__all__ = ["MostCertainFirst"]
