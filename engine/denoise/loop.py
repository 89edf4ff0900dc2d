"""The denoising loop: from noise in the holes to text, all candidates side by side.

Each step reads every candidate once. What the rule of the order (engine/denoise/order.py) accepts
keeps its token; the other open positions get fresh noise. Pinned positions are exact at every step,
in the canvas and in the self-conditioning signal; they count in no entropy, acceptance, stability
or confidence, because the loop sees open positions alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.api import Cancelled, IsCancelled
from engine.denoise.canvas import Canvas
from engine.denoise.order import Denoising, rule_of
from engine.denoise.sampler import Draws, renoise
from engine.models.diffusion_gemma import DiffusionGemma, KVCache


@dataclass(frozen=True, slots=True)
class Step:
    """What the loop believes after a step: the tokens [B, M] of the open positions, and their
    probabilities [B, M] at temperature 1."""

    number: int
    tokens: Tensor
    probability: Tensor


OnStep = Callable[[Step], None]


@torch.no_grad()
def denoise(
    model: DiffusionGemma,
    cache: KVCache,
    canvas: Canvas,
    settings: Denoising,
    draws: Draws,
    banned: Tensor,
    on_step: OnStep | None = None,
    cancelled: IsCancelled | None = None,
) -> Step:
    """Resolve every hole of `canvas`; the last Step says what was found and in how many steps.

    `banned` [B, M, V] or [V], True for tokens that may not be written. Candidates that are done
    leave the batch. Raises Cancelled when `cancelled()` is true before a step.
    """
    best = Step(0, canvas.read(), canvas.real.new_zeros(canvas.real.shape, dtype=torch.float32))
    alive = torch.arange(canvas.ids.shape[0], device=canvas.ids.device)
    signal: Tensor | None = None
    rule = rule_of(settings, canvas)
    forbidden = torch.zeros(banned.shape, device=banned.device).masked_fill_(banned, -torch.inf)
    for number in range(1, settings.steps + 1):
        if cancelled is not None and cancelled():
            raise Cancelled("the fill was cancelled")
        logits = model.decode(canvas.ids, cache, self_conditioning=signal, places=canvas.places)
        logits = logits + (forbidden if forbidden.ndim == 1 else forbidden[alive])
        reading = rule.read(logits, canvas, number, draws)
        best = Step(
            number,
            best.tokens.index_copy(0, alive, reading.tokens),
            best.probability.index_copy(0, alive, reading.probability),
        )
        if on_step is not None:
            on_step(best)
        if bool(reading.done.all()) or number == settings.steps:
            break
        noise = draws.ids(*reading.chosen.shape)
        canvas = canvas.write(renoise(reading.chosen, reading.accepted, noise))
        if settings.self_conditioning:
            signal = _signal(model, reading.beliefs, canvas)
        if bool(reading.done.any()):
            keep = ~reading.done
            alive, canvas = alive[keep], canvas.rows(keep)
            signal = signal[keep] if signal is not None else None
            rule.keep(keep)
    return best


def _signal(model: DiffusionGemma, logits: Tensor, canvas: Canvas) -> Tensor:
    """The self-conditioning signal [B, C, H]: what is believed of open positions, and of pinned
    ones exactly what stands there."""
    known = model.embed(canvas.ids)
    believed = model.soft_embedding(logits)
    last = canvas.real.sum(dim=-1) - 1
    rows = torch.arange(len(last), device=last.device)
    spare = believed[rows, last][:, None]
    believed = torch.where(canvas.real[..., None], believed, spare)
    index = canvas.places[..., None].expand_as(believed)
    return known.scatter(1, index, believed)


__all__ = ["Denoising", "OnStep", "Step", "denoise"]
