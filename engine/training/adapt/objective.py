"""The loss: next tokens of chunks, slots of canvases, and gaps that are read causally."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.training.adapt.data import Batch
from engine.training.adapt.model import Model
from engine.training.adapt.products import gradient_of
from engine.training.adapt.settings import Causal

ROWS = {"cpu": 512}  # of logits at a time, by device ...
MOST_ROWS = 8192  # ... on any other


@dataclass(frozen=True, slots=True)
class Loss:
    """`total` is to be differentiated; the others are means in nats per weighted token."""

    total: Tensor
    slot: float
    causal_fill: float
    chunk: float


def loss_of(model: Model, batch: Batch, causal: Causal) -> Loss:
    chunk, canvas = model.hidden(batch)
    wanted = batch.chunk_weight[:, 1:] > 0
    scored = batch.weight > 0
    by_kind = batch.causal[:, :, None].expand_as(scored)[scored]
    chunk_weight = batch.chunk_weight[:, 1:][wanted]
    weight = batch.weight[scored]
    slot_weight, fill_weight = weight * ~by_kind, weight * by_kind
    weights = [
        each / each.sum().clamp(min=1.0) for each in (chunk_weight, slot_weight, fill_weight)
    ]
    shares = torch.cat((causal.chunk_weight * weights[0], weights[1] + causal.weight * weights[2]))
    total, losses = head_loss(
        torch.cat((chunk[:, :-1][wanted], canvas[scored])),
        model.weights["embedding"],
        torch.cat((batch.chunk[:, 1:][wanted], batch.target[scored])),
        shares,
    )
    of_chunk, of_canvas = losses.split((len(chunk_weight), len(weight)))
    return Loss(
        total,
        float((of_canvas * weights[1]).sum()),
        float((of_canvas * weights[2]).sum()),
        float((of_chunk * weights[0]).sum()),
    )


def head_loss(
    hidden: Tensor, embedding: Tensor, target: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """The sum of weight[n] * cross-entropy of row n under the tied head, to differentiate; and the
    cross-entropies [N]. `hidden` [N, H], `embedding` [V, H].

    Logits are made a few rows at a time, forward and backward at once. The gradient of `embedding`
    is written into its `grad` right here: the result is to be differentiated as it is, not scaled.
    """
    total, losses = _HeadLoss.apply(hidden, embedding, target, weight)  # type: ignore[no-untyped-call]
    return total, losses


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        embedding: Tensor,
        target: Tensor,
        weight: Tensor,
    ) -> tuple[Tensor, Tensor]:
        rows = ROWS.get(hidden.device.type, MOST_ROWS)
        count = len(hidden)
        spare = -count % rows
        pad = torch.nn.functional.pad
        states, targets, weights = (
            pad(hidden, (0, 0, 0, spare)),
            pad(target, (0, spare)),
            pad(weight, (0, spare)),
        )
        losses, to_states = torch.empty_like(weights), torch.empty_like(states)
        to_matrix = gradient_of(embedding) if ctx.needs_input_grad[1] else None
        for start in range(0, len(states), rows):
            these = slice(start, start + rows)
            raw = states[these] @ embedding.mT
            losses[these], to_raw = _losses(raw, targets[these], weights[these])
            if to_matrix is not None:
                torch.mm(to_raw, embedding, out=to_states[these])
                to_matrix.addmm_(to_raw.mT, states[these], beta=float(start > 0))
        ctx.save_for_backward(to_states[:count])
        losses = losses[:count]
        ctx.mark_non_differentiable(losses)
        return (losses * weight).sum(), losses

    @staticmethod
    def backward(ctx, *gradients):  # type: ignore[no-untyped-def]
        (to_states,) = ctx.saved_tensors
        return to_states * gradients[0], None, None, None


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
