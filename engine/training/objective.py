"""The training objective: next tokens of a chunk, and the noised slots of canvases cut from it.

A batch holds chunks of source text. The causal pass reads each whole chunk once; every canvas
of a chunk reads the chunk's keys and values up to the line it was cut at, so one encoding serves
many canvases. Both passes run through the same layers in one call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from engine.models.diffusion_gemma import DiffusionGemma
from engine.training.head import head_loss

GRAIN = 32  # what a canvas may see of its chunk ends at a multiple of it
CAUSAL_BLOCK = 128  # queries
UNSEEN = -1e30


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
    places = torch.arange(length, device=batch.chunk.device)
    before = places[None, :] <= places[:, None]  # [T, T]
    seen = places < batch.start[:, :, None]  # [B, K, T]
    own = torch.ones(size, width, dtype=torch.bool, device=batch.chunk.device)
    reaches = [reach(index, count, length) for index in range(count)]
    masks = [
        torch.cat((seen[:, index, :end], own), dim=1)[:, None, None, None, :]
        for index, end in enumerate(reaches)
    ]  # [B, 1, 1, 1, reach + C]

    def attend(index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        shared = key.shape[1]
        query = query.unflatten(1, (shared, -1))  # [B, shared heads, G, T + K * C, D]
        read = [_causal(query[:, :, :, :length], key[:, :, :length], value[:, :, :length], before)]
        for index, (end, mask) in enumerate(zip(reaches, masks, strict=True)):
            here = slice(length + index * width, length + (index + 1) * width)
            keys = torch.cat((key[:, :, :end], key[:, :, here]), dim=2)
            values = torch.cat((value[:, :, :end], value[:, :, here]), dim=2)
            read.append(_attention(query[:, :, :, here], keys, values, mask))
        return torch.cat(read, dim=3).flatten(1, 2)

    out = model.run(hidden, positions, attend)
    return out[:, :length], out[:, length:].reshape(rows, width, -1)


def joint_loss(
    model: DiffusionGemma,
    batch: Batch,
    soft: Tensor | None,
    causal_weight: float,
    body: Callable[..., tuple[Tensor, Tensor]] = hidden_states,
) -> tuple[Tensor, Tensor, Tensor]:
    """Total, slot and causal loss, each a mean cross-entropy in nats per weighted token.

    `body` is `hidden_states` as it is or compiled.
    """
    chunk, slots = body(model, batch, soft)
    flat = batch.weight.flatten()
    scored = flat.nonzero()[:, 0]  # the rest of the canvases needs no logits
    slot_weight, chunk_weight = flat[scored], batch.chunk_weight[:, 1:].flatten()
    slot_weight = slot_weight / slot_weight.sum().clamp(min=1.0)
    chunk_weight = chunk_weight / chunk_weight.sum().clamp(min=1.0)
    total, losses = head_loss(
        torch.cat((chunk[:, :-1].flatten(0, 1), slots.flatten(0, 1)[scored])),
        model.embed_tokens.weight,
        torch.cat((batch.chunk[:, 1:].flatten(), batch.target.flatten()[scored])),
        torch.cat((causal_weight * chunk_weight, slot_weight)),
        model.config.final_logit_softcapping,
    )
    causal, slot = losses.split((len(chunk_weight), len(scored)))
    return total, (slot * slot_weight).sum(), (causal * chunk_weight).sum()


def causal_states(model: DiffusionGemma, batch: Batch) -> Tensor:
    """Final hidden states of the chunks alone, [B, T, H]."""
    length = batch.chunk.shape[1]
    positions = torch.arange(length, device=batch.chunk.device)
    before = positions[None, :] <= positions[:, None]

    def attend(index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        shared = query.unflatten(1, (key.shape[1], -1))
        return _causal(shared, key, value, before).flatten(1, 2)

    return model.run(model.embed(batch.chunk), positions, attend)


def causal_loss(
    model: DiffusionGemma, batch: Batch, body: Callable[..., Tensor] = causal_states
) -> Tensor:
    """Mean next-token cross-entropy over the chunks alone; `body` is `causal_states`."""
    hidden = body(model, batch)
    weight = batch.chunk_weight[:, 1:].flatten()
    total, _ = head_loss(
        hidden[:, :-1].flatten(0, 1),
        model.embed_tokens.weight,
        batch.chunk[:, 1:].flatten(),
        weight / weight.sum().clamp(min=1.0),
        model.config.final_logit_softcapping,
    )
    return total


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


def reach(index: int, count: int, length: int) -> int:
    """How many tokens of its chunk the canvas `index` of `count` may have before it.

    The canvases of a chunk start one in each of `count` equal parts of it: what no canvas of a part
    can see, none of them has to multiply.
    """
    return min(length, -(-length * (index + 1) // (count * GRAIN)) * GRAIN)


def _causal(query: Tensor, key: Tensor, value: Tensor, before: Tensor) -> Tensor:
    """Block by block of queries: each multiplies only what lies before its end."""
    ends = [*range(CAUSAL_BLOCK, key.shape[2], CAUSAL_BLOCK), key.shape[2]]
    return torch.cat(
        [
            _attention(
                query[:, :, :, start:end],
                key[:, :, :end],
                value[:, :, :end],
                before[start:end, :end],
            )
            for start, end in pairwise([0, *ends])
        ],
        dim=3,
    )


def _attention(query: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> Tensor:
    """`query` [B, heads, G, Q, D], the G of which share a key [B, heads, S, D]; `seen` [.., Q, S].

    Products and a softmax, compiled: on a CPU twice as fast, backward, as the fused attention.
    """
    groups, count = query.shape[2:4]
    scores = (query.flatten(2, 3) @ key.mT).unflatten(2, (groups, count))
    shares = scores.float().masked_fill(~seen, UNSEEN).softmax(dim=-1)
    read = shares.to(value.dtype).flatten(2, 3) @ value
    parted: Tensor = read.unflatten(2, (groups, count))
    return parted
