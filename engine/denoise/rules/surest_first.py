"""The rule of DiffusionGemma: whatever is certain enough is accepted, wherever it stands."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.denoise.canvas import Canvas
from engine.denoise.rules.joint import Joint
from engine.denoise.rules.rule import Denoising, Reading
from engine.denoise.rules.slack import ends, only_from
from engine.denoise.sampler import Draws, Stopping, accept_by_entropy, entropy, sample


class SurestFirst:
    """The entropy-bound rule (engine/denoise/sampler.py); done when stable and confident."""

    def __init__(self, settings: Denoising, joint: Joint | None = None) -> None:
        self._settings, self._joint = settings, joint
        self._stopping = Stopping(settings.stability_threshold, settings.confidence_threshold)

    def read(self, logits: Tensor, canvas: Canvas, number: int, draws: Draws) -> Reading:
        settings = self._settings
        temperature = settings.temperature(number)
        if self._joint is not None:
            self._joint.narrow(logits, canvas, canvas.places)
        beliefs = logits / temperature
        entropies = entropy(beliefs)
        probabilities = logits.softmax(dim=-1)
        wanted = logits
        if settings.slack is not None:
            ended = ends(probabilities[..., settings.slack], canvas)
            wanted = only_from(logits, settings.slack, ended)
        tokens = chosen = wanted.argmax(dim=-1)
        if not settings.greedy:
            race = draws.race(*wanted.shape)
            chosen = sample(wanted / temperature, race)
        if self._joint is not None:
            tokens = self._joint.settle(tokens, logits, canvas)
            scores = logits if settings.greedy else logits / temperature - race.log()
            chosen = self._joint.settle(chosen, scores, canvas)
        accepted = accept_by_entropy(entropies, settings.entropy_bound, canvas.real)
        if settings.quota:
            accepted |= surest(entropies, canvas.real, number, settings.steps)
        return Reading(
            tokens=tokens,
            probability=_probability(probabilities, tokens),
            chosen=chosen,
            accepted=accepted,
            done=self._stopping(tokens, entropies, canvas.real),
            beliefs=beliefs,
        )

    def is_last(self, number: int) -> bool:
        return number == self._settings.steps

    def keep(self, rows: Tensor) -> None:
        self._stopping.keep(rows)
        if self._joint is not None:
            self._joint.keep(rows)


def surest(entropies: Tensor, real: Tensor, number: int, of: int) -> Tensor:
    """The surest `number / of` of each row's real positions, rounded up, [B, M]."""
    wanted = -(-real.sum(dim=-1, keepdim=True) * number // of)
    order = entropies.masked_fill(~real, torch.inf).argsort(dim=-1, stable=True)
    places = torch.arange(order.shape[-1], device=order.device).expand_as(order)
    rank = torch.empty_like(order).scatter_(-1, order, places)
    return (rank < wanted) & real


def _probability(probabilities: Tensor, tokens: Tensor) -> Tensor:
    """What `probabilities` [B, M, V], the probabilities of all tokens, give `tokens` [B, M]."""
    return probabilities.gather(-1, tokens[..., None]).squeeze(-1)
