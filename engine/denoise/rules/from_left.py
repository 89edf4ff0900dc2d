"""The rule for a model that knows slack: every hole is resolved in a run from its left, each new
token seeing those before it and the text after the hole, until slack is what comes next."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.denoise.canvas import Canvas
from engine.denoise.rules.joint import Joint
from engine.denoise.rules.rule import Denoising, Reading
from engine.denoise.rules.slack import ends, likeliest, only_from, running
from engine.denoise.sampler import Draws, entropy, entropy_of, probabilities_of, sample


class FromLeft:
    """Accepted tokens are final, with the probability they had when they were accepted: the product
    over a hole, with that of its end, is the probability of the whole text.

    Done when slack follows the last accepted token of every hole.
    """

    def __init__(self, settings: Denoising, canvas: Canvas, joint: Joint | None = None) -> None:
        self._settings, self._joint = settings, joint
        self._resolved = torch.zeros_like(canvas.real)
        self._tokens = torch.zeros_like(canvas.places)
        self._probability = torch.ones(canvas.real.shape, device=canvas.real.device)
        # Canvases that are settled and not abandoned: now, and whether one has left already.
        self._good = torch.zeros(len(canvas.real), dtype=torch.bool, device=canvas.real.device)
        self._has_good = torch.zeros((), dtype=torch.bool, device=canvas.real.device)

    def read(self, logits: Tensor, canvas: Canvas, number: int, draws: Draws) -> Reading:
        settings, slack = self._settings, self._settings.slack
        assert slack is not None
        temperature = settings.temperature(number)
        if self._joint is not None:
            self._joint.narrow(logits, canvas, self._tokens, self._resolved)
        probabilities, log_p = probabilities_of(logits)
        beliefs = logits if temperature == 1.0 else logits / temperature
        entropies = entropy_of(probabilities, log_p) if temperature == 1.0 else entropy(beliefs)
        ended = ends(probabilities[..., slack].masked_fill(self._resolved, 0.0), canvas)
        tokens, probability = likeliest(probabilities, slack, ended)
        if self._joint is not None:
            tokens = self._joint.settle(tokens, logits, canvas)
            probability = probabilities.gather(-1, tokens[..., None]).squeeze(-1)
            ended = torch.where(self._joint.within(canvas), tokens == slack, ended)
        chosen = tokens
        if not settings.greedy:
            wanted = only_from(beliefs, slack, ended)
            race = draws.race(*wanted.shape)
            chosen = sample(wanted, race)
            if self._joint is not None:
                chosen = self._joint.settle(chosen, beliefs - race.log(), canvas)
        tokens = torch.where(self._resolved, self._tokens, tokens)
        chosen = torch.where(self._resolved, self._tokens, chosen)
        # Of a hole's end only the first slack token was decided; the others follow from it.
        certain = self._resolved | (ended & (running(ended.long(), canvas) > 1)) | ~canvas.real
        probability = torch.where(certain, self._probability, probability)

        pending = canvas.real & ~ended & ~self._resolved
        bound = settings.entropy_bound + settings.stride_growth * self._lost()[:, None]
        fresh = from_left(entropies, pending, bound, canvas, settings.steps - number)
        left_open = torch.where(pending, entropies, 0.0).sum(dim=-1)
        self._resolved = self._resolved | fresh
        self._tokens = torch.where(fresh, chosen, self._tokens)
        self._probability = torch.where(fresh, probability, self._probability)
        return Reading(
            tokens=tokens,
            probability=probability,
            chosen=chosen,
            accepted=self._resolved,
            done=self._done(left_open),
            beliefs=beliefs,
        )

    def _done(self, left_open: Tensor) -> Tensor:
        """[B]: settled canvases need no further look, and abandoned ones none beside a better
        one."""
        lost = self._lost()
        settled = left_open <= self._settings.confidence_threshold
        abandoned = lost > self._settings.abandon_loss
        self._good = settled & ~abandoned
        return settled | (abandoned & (self._has_good | (lost > lost.min())))

    def _lost(self) -> Tensor:
        """The nats that what is resolved has lost in likelihood, [B]."""
        return -torch.where(self._resolved, self._probability, 1.0).log().sum(dim=-1)

    def is_last(self, number: int) -> bool:
        return number == self._settings.steps

    def keep(self, rows: Tensor) -> None:
        self._has_good = self._has_good | (self._good & ~rows).any()
        if self._joint is not None:
            self._joint.keep(rows)
        self._resolved = self._resolved[rows]
        self._tokens = self._tokens[rows]
        self._probability = self._probability[rows]


def from_left(
    entropies: Tensor, pending: Tensor, bound: float | Tensor, canvas: Canvas, steps_left: int
) -> Tensor:
    """Which of the `pending` positions [B, M] to accept next: in every hole a run from the left.

    The run goes on while the entropies of what it accepts, but for the last, sum to at most
    `bound` (one, or [B, 1]); it is long enough that `steps_left` such runs resolve the row.
    """
    cost = torch.where(pending, entropies, 0.0)
    before = running(cost, canvas) - cost
    rank = running(pending.long(), canvas) - pending.long()
    least = -(-pending.sum(dim=-1, keepdim=True) // max(1, steps_left))
    return pending & ((before <= bound) | (rank < least))
