"""The training objective: next tokens of a chunk, and the noised slots of canvases cut from it.

A batch holds chunks of source text and canvases cut from them; how a model reads both in one pass,
its family says (engine/models/training.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.models.family import Model
from engine.models.training import training_of
from engine.training.head import head_loss

Joint = Callable[..., tuple[Tensor, Tensor]]
Causal = Callable[..., Tensor]


@dataclass(frozen=True, slots=True)
class Batch:
    """B chunks of T tokens, K canvases of C tokens each."""

    chunk: Tensor  # [B, T]
    chunk_weight: Tensor  # [B, T] weight of predicting chunk[:, t] from what precedes it
    canvas: Tensor  # [B, K, C] slots noised, everything else clean
    start: Tensor  # [B, K] chunk tokens that precede the canvas
    target: Tensor  # [B, K, C] the clean tokens
    weight: Tensor  # [B, K, C] 0 where nothing is to be predicted
    pinned: Tensor  # [B, K, C] True where nothing was noised

    def to(self, device: torch.device) -> Batch:
        return Batch(
            *(
                getattr(self, name).to(device, non_blocking=True)
                for name in self.__dataclass_fields__
            )
        )


def hidden_states(
    model: Model[Any], batch: Batch, soft: Tensor | None, joint: Joint | None = None
) -> tuple[Tensor, Tensor]:
    """Final hidden states of the chunks [B, T, H] and of the canvases [B * K, C, H].

    `soft` [B * K, C, H] is the self-conditioning signal, None for none; `joint` is the family's
    pass as it is or compiled.
    """
    joint = training_of(model).joint if joint is None else joint
    return joint(model, batch.chunk, batch.canvas, batch.start, soft)


def joint_loss(
    model: Model[Any],
    batch: Batch,
    soft: Tensor | None,
    causal_weight: float,
    joint: Joint | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Total, slot and causal loss, each a mean cross-entropy in nats per weighted token.

    `joint` as in `hidden_states`.
    """
    chunk, slots = hidden_states(model, batch, soft, joint)
    matrix, cap = training_of(model).head(model)
    flat = batch.weight.flatten()
    scored = flat.nonzero()[:, 0]  # the rest of the canvases needs no logits
    slot_weight, chunk_weight = flat[scored], batch.chunk_weight[:, 1:].flatten()
    slot_weight = slot_weight / slot_weight.sum().clamp(min=1.0)
    chunk_weight = chunk_weight / chunk_weight.sum().clamp(min=1.0)
    total, losses = head_loss(
        torch.cat((chunk[:, :-1].flatten(0, 1), slots.flatten(0, 1)[scored])),
        matrix,
        torch.cat((batch.chunk[:, 1:].flatten(), batch.target.flatten()[scored])),
        torch.cat((causal_weight * chunk_weight, slot_weight)),
        cap,
    )
    causal, slot = losses.split((len(chunk_weight), len(scored)))
    return total, (slot * slot_weight).sum(), (causal * chunk_weight).sum()


def causal_loss(model: Model[Any], batch: Batch, causal: Causal | None = None) -> Tensor:
    """Mean next-token cross-entropy over the chunks alone; `causal` is the family's pass as it is
    or compiled."""
    training = training_of(model)
    hidden = (training.causal if causal is None else causal)(model, batch.chunk)
    weight = batch.chunk_weight[:, 1:].flatten()
    matrix, cap = training.head(model)
    total, _ = head_loss(
        hidden[:, :-1].flatten(0, 1),
        matrix,
        batch.chunk[:, 1:].flatten(),
        weight / weight.sum().clamp(min=1.0),
        cap,
    )
    return total


@torch.no_grad()
def believed(model: Model[Any], batch: Batch) -> Tensor:
    """The self-conditioning signal [B * K, C, H] that a first step without one would leave."""
    _, hidden = hidden_states(model, batch, None)
    rows = hidden.shape[:2]
    return training_of(model).signal(
        model, hidden, batch.canvas.view(rows), batch.pinned.view(rows)
    )
