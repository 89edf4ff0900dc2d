"""The loss: slots of canvases, and gaps that are read causally."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.training.adapt.data import Batch
from engine.training.adapt.model import TAUGHT, TAUGHT_ROWS, Model
from engine.training.adapt.settings import Causal

ROWS = {"cpu": 512}  # of logits at a time, by device ...
MOST_ROWS = 8192  # ... on any other


@dataclass(frozen=True, slots=True)
class Loss:
    """`total` is to be differentiated; the others are means in nats per weighted token."""

    total: Tensor
    slot: float
    causal_fill: float


def loss_of(model: Model, batch: Batch, causal: Causal) -> Loss:
    canvas = model.hidden(batch)
    scored = batch.weight > 0
    by_kind = batch.causal[:, :, None].expand_as(scored)[scored]
    weight = batch.weight[scored]
    slot, fill = (
        each / each.sum().clamp(min=1.0) for each in (weight * ~by_kind, weight * by_kind)
    )
    total, losses = head_loss(
        canvas[scored],
        model.base["embedding"],
        model.learnt[TAUGHT_ROWS],
        batch.target[scored],
        slot + causal.weight * fill,
    )
    return Loss(total, float((losses * slot).sum()), float((losses * fill).sum()))


def head_loss(
    hidden: Tensor, embedding: Tensor, rows: Tensor, target: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """The sum of weight[n] * cross-entropy of row n under the tied head, to differentiate; and the
    cross-entropies [N]. `hidden` [N, H]; `embedding` [V, H] as it is, but for the `rows` of the ids
    that are TAUGHT.

    Logits are made a few rows at a time, forward and backward at once.
    """
    total, losses = _HeadLoss.apply(hidden, embedding, rows, target, weight)  # type: ignore[no-untyped-call]
    return total, losses


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        embedding: Tensor,
        taught: Tensor,
        target: Tensor,
        weight: Tensor,
    ) -> tuple[Tensor, Tensor]:
        rows = ROWS.get(hidden.device.type, MOST_ROWS)
        count, which = len(hidden), list(TAUGHT)
        spare = -count % rows
        pad = torch.nn.functional.pad
        states, targets, weights = (
            pad(hidden, (0, 0, 0, spare)),
            pad(target, (0, spare)),
            pad(weight, (0, spare)),
        )
        losses, to_states = torch.empty_like(weights), torch.empty_like(states)
        to_taught = torch.zeros_like(taught)
        for start in range(0, len(states), rows):
            these = slice(start, start + rows)
            raw = states[these] @ embedding.mT
            raw[:, which] = states[these] @ taught.mT
            losses[these], to_raw = _losses(raw, targets[these], weights[these])
            if ctx.needs_input_grad[0]:
                to_few = to_raw[:, which]
                to_raw[:, which] = 0.0
                torch.mm(to_raw, embedding, out=to_states[these])
                to_states[these] += to_few @ taught
                to_taught += to_few.mT @ states[these]
        ctx.save_for_backward(to_states[:count], to_taught)
        losses = losses[:count]
        ctx.mark_non_differentiable(losses)
        return (losses * weight).sum(), losses

    @staticmethod
    def backward(ctx, *gradients):  # type: ignore[no-untyped-def]
        to_states, to_taught = ctx.saved_tensors
        return to_states * gradients[0], None, to_taught * gradients[0], None, None


@torch.compile(dynamic=False)
def _losses(raw: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Of raw logits [N, V]: the cross-entropies [N], and the gradient of their weighted sum."""
    wide = raw.float()
    most = wide.amax(-1, keepdim=True)
    risen = torch.exp(wide - most)
    total = risen.sum(-1, keepdim=True)
    of_target = raw.gather(1, target[:, None]).float()
    losses = total.log() + most - of_target
    true = torch.arange(raw.shape[1], device=raw.device) == target[:, None]
    return losses[:, 0], ((risen / total - true.float()) * weight[:, None]).to(raw.dtype)
