"""What a lesson asks of a model, and how far its answers are off: through the family's protocol, so
that what is learned is what is asked in use, whatever the family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from engine.fill.prefix_cache import common_prefix
from engine.fill.prompt import read_ahead
from engine.models.family import Causal, Context, Look, Model
from engine.tuning.lessons import Canvas, Lesson


@dataclass(frozen=True, slots=True)
class Loss:
    """Mean cross-entropy in nats per weighted token: of noised holes, and of the tokens that a
    causal pass predicts. None where the lesson has none of the kind."""

    hole: Tensor | None
    causal: Tensor | None

    def total(self, causal_weight: float) -> Tensor | None:
        parts = []
        if self.hole is not None:
            parts.append(self.hole)
        if self.causal is not None and causal_weight:
            parts.append(causal_weight * self.causal)
        return torch.stack(parts).sum() if parts else None


def loss_of(model: Model[Any], lesson: Lesson, *, self_conditioning: bool = False) -> Loss:
    """With `self_conditioning`, canvases are told what a first look at them believed."""
    causal = model.causal
    context, logits = _read(model, lesson.ids)
    causal_parts: list[tuple[Tensor, Tensor]] = []
    if logits is not None:
        causal_parts.append((logits[:-1], _tensor(lesson.ids[2:], model)))
    contexts = [_context_of(model, canvas, lesson.ids, context) for canvas in lesson.canvases]
    for canvas, before in zip(lesson.canvases, contexts, strict=True):
        if causal is not None and canvas.causal:
            causal_parts.append(_causal_fill(model, causal, canvas, before))
    return Loss(
        _hole_loss(model, lesson.canvases, contexts, self_conditioning),
        _mean_loss(causal_parts),
    )


def _read(model: Model[Any], ids: list[int]) -> tuple[Context, Tensor | None]:
    """The context of `ids` [T], and where the family is a language model the logits [T - 1, V]
    behind each but the first: both of one pass."""
    causal = model.causal
    if causal is None or len(ids) < 3:
        return model.encode(_tensor(ids, model)), None
    first = model.encode(_tensor(ids[:1], model))
    logits, context = _score_row(causal, _tensor(ids[1:], model), first, 1)
    return context, logits


def _score_row(
    causal: Causal[Any], ids: Tensor, context: Context, place: int
) -> tuple[Tensor, Context]:
    """Next-token logits [T, V] of `ids` [T] after `context`, the first at position `place`, and the
    context with all of them."""
    past, size = context.length, len(ids)
    order = torch.arange(past + size, device=ids.device)
    positions = torch.cat((order[:past], order[past:] - past + place))
    sees = torch.ones(size, past + size, dtype=torch.bool, device=ids.device).tril(past)
    return causal.score_tree(ids, positions, sees, context)


def _context_of(model: Model[Any], canvas: Canvas, ids: list[int], whole: Context) -> Context:
    """Of the canvas's prompt: what was read already, if it begins so, else it is read on its own (a
    chat's turns, or a text whose tokens differ where it ends)."""
    if common_prefix(canvas.ids, ids) == len(canvas.ids):
        return whole.crop(len(canvas.ids))
    context: Context = model.encode(_tensor(canvas.ids, model))
    return context


def _hole_loss(
    model: Model[Any],
    canvases: Sequence[Canvas],
    contexts: Sequence[Context],
    self_conditioning: bool,
) -> Tensor | None:
    if not canvases:
        return None
    looks = [
        Look(_tensor(canvas.seen, model)[None], context, _tensor(canvas.positions, model)[None])
        for canvas, context in zip(canvases, contexts, strict=True)
    ]
    if self_conditioning:
        with torch.no_grad():
            looks = [
                replace(look, signal=_signal(model, look, beliefs), number=2)
                for look, beliefs in zip(looks, model.look(looks), strict=True)
            ]
    logits = torch.cat([each[0] for each in model.look(looks)])
    wanted = _tensor([token for canvas in canvases for token in canvas.wanted], model)
    weights = torch.tensor(
        [weight for canvas in canvases for weight in canvas.weights], device=model.device
    )
    losses = cross_entropy(logits, wanted, reduction="none")
    return (losses * weights).sum() / weights.sum().clamp_min(1e-6)


def _signal(model: Model[Any], look: Look[Any], beliefs: Tensor) -> Tensor | None:
    real = torch.ones_like(look.positions, dtype=torch.bool)
    return model.signal(beliefs, look.canvas, look.positions, real)


def _causal_fill(
    model: Model[Any], causal: Causal[Any], canvas: Canvas, context: Context
) -> tuple[Tensor, Tensor]:
    ids = _tensor(canvas.causal, model)
    context, place = read_ahead(canvas.ahead, canvas.behind, context, causal)
    logits, _ = _score_row(causal, ids[:-1], context, place)
    return logits[-canvas.predicted :], ids[-canvas.predicted :]


def _mean_loss(parts: Sequence[tuple[Tensor, Tensor]]) -> Tensor | None:
    if not parts:
        return None
    logits, wanted = (torch.cat(each) for each in zip(*parts, strict=True))
    return cross_entropy(logits, wanted)


def _tensor(ids: list[int], model: Model[Any]) -> Tensor:
    return torch.tensor(ids, dtype=torch.long, device=model.device)


__all__ = ["Loss", "loss_of"]
