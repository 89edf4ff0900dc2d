"""The denoising loop: from noise in the holes to text, all candidates side by side.

Each step reads every candidate once. Positions whose distribution is sure enough keep a token (the
entropy-bound rule, engine/sampler.py); the others get fresh noise. Pinned positions are exact at
every step, in the canvas and in the self-conditioning signal; they count in no entropy, acceptance,
stability or confidence, because the loop sees open positions alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.api import Cancelled, IsCancelled
from engine.canvas import Canvas
from engine.models.diffusion_gemma import DiffusionGemma, KVCache
from engine.sampler import (
    Draws,
    Stopping,
    accept_by_entropy,
    entropy,
    renoise,
    sample,
    temperature,
)


@dataclass(frozen=True, slots=True)
class Denoising:
    """How to denoise; the words are those of DiffusionGemma's generation_config.json.

    greedy: an accepted position takes its likeliest token, not a sampled one.
    quota: accept at least an even share of a hole at every step, the surest first, so that a hole
        is whole after `steps` steps however unsure the model is.
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


@dataclass(frozen=True, slots=True)
class Step:
    """What the loop believes after a step: the likeliest tokens [B, M] of the open positions, and
    their probabilities [B, M] at temperature 1."""

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
    stopping = Stopping(settings.stability_threshold, settings.confidence_threshold)
    for number in range(1, settings.steps + 1):
        if cancelled is not None and cancelled():
            raise Cancelled("the fill was cancelled")
        logits = model.decode(
            canvas.ids, cache, self_conditioning=signal, places=canvas.places
        ).masked_fill(banned if banned.ndim == 1 else banned[alive], -torch.inf)
        cooled = logits / temperature(number, settings.steps, settings.t_min, settings.t_max)
        unsure = entropy(cooled)
        likeliest = logits.argmax(dim=-1)
        certainty = logits.softmax(dim=-1).gather(-1, likeliest[..., None]).squeeze(-1)
        best = Step(
            number,
            best.tokens.index_copy(0, alive, likeliest),
            best.probability.index_copy(0, alive, certainty),
        )
        if on_step is not None:
            on_step(best)
        done = stopping(likeliest, unsure, canvas.real)
        if bool(done.all()) or number == settings.steps:
            break
        accepted = accept_by_entropy(unsure, settings.entropy_bound, canvas.real)
        if settings.quota:
            accepted |= surest(unsure, canvas.real, number / settings.steps)
        chosen = likeliest if settings.greedy else sample(cooled, draws.race(*cooled.shape))
        canvas = canvas.write(renoise(chosen, accepted, draws.ids(*chosen.shape)))
        if settings.self_conditioning:
            signal = _signal(model, cooled, canvas)
        if bool(done.any()):
            keep = ~done
            alive, canvas = alive[keep], canvas.rows(keep)
            signal = signal[keep] if signal is not None else None
            stopping.keep(keep)
    return best


def surest(unsure: Tensor, real: Tensor, share: float) -> Tensor:
    """The surest `share` of each row's real positions, rounded up, [B, M]."""
    wanted = (real.sum(dim=-1, keepdim=True) * share).ceil()
    order = unsure.masked_fill(~real, torch.inf).argsort(dim=-1, stable=True)
    places = torch.arange(order.shape[-1], device=order.device).expand_as(order)
    rank = torch.empty_like(order).scatter_(-1, order, places)
    return (rank < wanted) & real


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
