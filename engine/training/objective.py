"""The training objective: next tokens of a chunk, and the noised slots of canvases cut from it.

A batch holds chunks of source text. The causal pass reads each whole chunk once; every canvas
of a chunk reads the chunk's keys and values up to the line it was cut at, so one encoding serves
many canvases. Both passes run through the same layers in one call.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engine.models.diffusion_gemma import DiffusionGemma


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
    model: DiffusionGemma, batch: Batch, soft: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Final hidden states of the chunks [B, T, H] and of the canvases [B * K, C, H].

    `soft` [B * K, C, H] is the self-conditioning signal, None for none.
    """
    size, length = batch.chunk.shape
    count, width = batch.canvas.shape[1:]
    rows = size * count
    canvas = model.self_conditioning(model.embed(batch.canvas.view(rows, width)), soft)
    hidden = torch.cat((model.embed(batch.chunk), canvas.view(size, count * width, -1)), dim=1)
    offsets = torch.arange(width, device=batch.chunk.device)
    positions = torch.cat(
        (
            torch.arange(length, device=batch.chunk.device).expand(size, length),
            (batch.start[:, :, None] + offsets).view(size, count * width),
        ),
        dim=1,
    )
    visible = torch.arange(length, device=batch.chunk.device) < batch.start.view(rows, 1)
    own = torch.ones(rows, width, dtype=torch.bool, device=batch.chunk.device)
    mask = torch.cat((visible, own), dim=1)[:, None, None, :]  # [B * K, 1, 1, T + C]

    def attend(index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        groups = query.shape[1] // key.shape[1]
        key, value = (t.repeat_interleave(groups, dim=1) for t in (key, value))
        causal = functional.scaled_dot_product_attention(
            query[:, :, :length],
            key[:, :, :length],
            value[:, :, :length],
            is_causal=True,
            scale=1.0,
        )
        read = functional.scaled_dot_product_attention(
            _canvas_rows(query[:, :, length:], count),
            torch.cat(
                (_repeat(key[:, :, :length], count), _canvas_rows(key[:, :, length:], count)), dim=2
            ),
            torch.cat(
                (_repeat(value[:, :, :length], count), _canvas_rows(value[:, :, length:], count)),
                dim=2,
            ),
            attn_mask=mask,
            scale=1.0,
        )
        heads, dim = query.shape[1], query.shape[3]
        read = read.view(size, count, heads, width, dim).transpose(1, 2)
        return torch.cat((causal, read.reshape(size, heads, count * width, dim)), dim=2)

    out = model.run(hidden, positions, attend)
    return out[:, :length], out[:, length:].reshape(rows, width, -1)


def joint_loss(
    model: DiffusionGemma, batch: Batch, soft: Tensor | None, causal_weight: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Total, slot and causal loss, each a mean cross-entropy in nats per weighted token."""
    chunk, slots = hidden_states(model, batch, soft)
    causal = _weighted(model.logits(chunk[:, :-1]), batch.chunk[:, 1:], batch.chunk_weight[:, 1:])
    slot = _weighted(model.logits(slots), batch.target, batch.weight)
    return slot + causal_weight * causal, slot, causal


def causal_loss(model: DiffusionGemma, batch: Batch) -> Tensor:
    """Mean next-token cross-entropy over the chunks alone."""
    length = batch.chunk.shape[1]
    positions = torch.arange(length, device=batch.chunk.device)

    def attend(index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        groups = query.shape[1] // key.shape[1]
        return functional.scaled_dot_product_attention(
            query,
            key.repeat_interleave(groups, dim=1),
            value.repeat_interleave(groups, dim=1),
            is_causal=True,
            scale=1.0,
        )

    hidden = model.run(model.embed(batch.chunk), positions, attend)
    return _weighted(model.logits(hidden[:, :-1]), batch.chunk[:, 1:], batch.chunk_weight[:, 1:])


@torch.no_grad()
def believed(model: DiffusionGemma, batch: Batch) -> Tensor:
    """The self-conditioning signal [B * K, C, H] that a first step without one would leave.

    Noised positions carry the expected embedding, pinned ones their own.
    """
    _, hidden = hidden_states(model, batch, None)
    shape = hidden.shape
    return torch.where(
        batch.pinned.view(shape[0], shape[1], 1),
        model.embed(batch.canvas.view(shape[0], shape[1])),
        model.soft_embedding(model.logits(hidden)),
    )


def _weighted(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    losses = functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), target.reshape(-1), reduction="none"
    )
    flat = weight.reshape(-1)
    return (losses * flat).sum() / flat.sum().clamp(min=1.0)


def _canvas_rows(states: Tensor, count: int) -> Tensor:
    """[B, heads, K * C, D] -> [B * K, heads, C, D]."""
    size, heads, total, dim = states.shape
    split = states.reshape(size, heads, count, total // count, dim).transpose(1, 2)
    return split.reshape(size * count, heads, total // count, dim)


def _repeat(states: Tensor, count: int) -> Tensor:
    """[B, heads, T, D] -> [B * K, heads, T, D], each chunk once per canvas."""
    size, heads, length, dim = states.shape
    return states[:, None].expand(size, count, heads, length, dim).reshape(-1, heads, length, dim)
