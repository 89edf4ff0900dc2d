"""Cross-entropy under the tied head, a few rows of logits at a time, forward and backward at once.

All rows' logits together would be the largest tensor of a step by far, written and read several
times over; a few rows at a time stay in the cache, and what is kept is only the two gradients.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

ROWS = {"cpu": 256}  # at a time, by device ...
MOST_ROWS = 8192  # ... on any other


def head_loss(
    hidden: Tensor, embedding: Tensor, target: Tensor, weight: Tensor, cap: float
) -> tuple[Tensor, Tensor]:
    """The sum of weight[n] * cross-entropy of row n, to differentiate; and the cross-entropies [N].

    `hidden` [N, H], `embedding` [V, H], `target` and `weight` [N]. Logits are softcapped:
    cap * tanh(hidden @ embedding.T / cap), and below `cap` no exponential overflows.
    """
    total, losses = _HeadLoss.apply(hidden, embedding, target, weight, cap)  # type: ignore[no-untyped-call]
    return total, losses


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, embedding: Tensor, target: Tensor, weight: Tensor, cap: float
    ) -> tuple[Tensor, Tensor]:
        kind = hidden.device.type
        rows = ROWS.get(kind, MOST_ROWS)
        narrow = kind in ("cpu", "cuda") and torch.is_autocast_enabled(kind)
        dtype = torch.get_autocast_dtype(kind) if narrow else hidden.dtype
        count = len(hidden)
        spare = -count % rows
        states = functional.pad(hidden.to(dtype), (0, 0, 0, spare))
        targets, weights = functional.pad(target, (0, spare)), functional.pad(weight, (0, spare))
        matrix = embedding.to(dtype)
        losses = torch.empty_like(weights)
        to_states = torch.empty_like(states)
        to_matrix = torch.zeros_like(embedding)
        for start in range(0, len(states), rows):
            these = slice(start, start + rows)
            raw = states[these] @ matrix.mT
            losses[these], to_raw = _losses(raw, targets[these], weights[these], cap)
            torch.mm(to_raw, matrix, out=to_states[these])
            to_matrix += to_raw.mT @ states[these]
        ctx.save_for_backward(to_states[:count], to_matrix)
        losses = losses[:count]
        ctx.mark_non_differentiable(losses)
        return (losses * weight).sum(), losses

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        to_states, to_matrix = ctx.saved_tensors
        return to_states * gradients[0], to_matrix * gradients[0], None, None, None


@torch.compile(dynamic=False)
def _losses(raw: Tensor, target: Tensor, weight: Tensor, cap: float) -> tuple[Tensor, Tensor]:
    """Of raw logits [N, V]: the cross-entropies [N], and the gradient of their weighted sum."""
    # tanh(x) = 2 * sigmoid(2x) - 1, and a sigmoid takes a third of the time.
    squashed = 2 * torch.sigmoid(raw.float() * (2 / cap)) - 1
    risen = torch.exp(squashed * cap - cap)
    total = risen.sum(-1, keepdim=True)
    true = torch.arange(raw.shape[1], device=raw.device) == target[:, None]
    of_target = raw.gather(1, target[:, None]).float()
    losses = total.log() + cap - cap * torch.tanh(of_target / cap)
    slope = (1 - squashed.square()) * weight[:, None]
    return losses[:, 0], ((risen / total - true.float()) * slope).to(raw.dtype)
