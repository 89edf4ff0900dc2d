"""DiffusionGemma trained from nothing: its first weights, passes that can be differentiated, and
what `transformers` wants of its files.

A batch holds chunks of source text. The causal pass reads each whole chunk once; every canvas
of a chunk reads the chunk's keys and values up to the line it was cut at, so one encoding serves
many canvases. Both passes run through the same layers in one call.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from engine.models.diffusion_gemma.config import FULL, PREFIX, SLIDING
from engine.models.diffusion_gemma.layers import Attention, Experts, Layer
from engine.models.diffusion_gemma.model import DiffusionGemma
from engine.models.training import reach

CAUSAL_BLOCK = 128  # queries
UNSEEN = -1e30
ENCODER = "model.encoder.language_model."

# `transformers` builds a vision tower for every checkpoint of this family; ours is as small as it
# can be, holds no weights, and is never run.
VISION = {
    "model_type": "gemma4_vision",
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "position_embedding_size": 4,
}


def document(shape: Mapping[str, Any]) -> dict[str, Any]:
    """A `config.json` of this shape, as `transformers` reads it too."""
    shape = dict(shape)
    layers = shape.pop("num_hidden_layers")
    canvas_length = shape.pop("canvas_length")
    text = {
        "model_type": "diffusion_gemma_text",
        **shape,
        "num_hidden_layers": layers,
        "layer_types": [SLIDING] * (layers - 1) + [FULL],
        "rope_parameters": {
            SLIDING: {"rope_type": "default", "rope_theta": 10_000.0},
            FULL: {
                "rope_type": "proportional",
                "partial_rotary_factor": 0.25,
                "rope_theta": 1_000_000.0,
            },
        },
        "rms_norm_eps": 1e-6,
        "final_logit_softcapping": 30.0,
        "hidden_activation": "gelu_pytorch_tanh",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "use_bidirectional_attention": "vision",
        "initializer_range": 0.02,
        "tie_word_embeddings": True,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }
    return {
        "architectures": ["DiffusionGemmaForBlockDiffusion"],
        "model_type": "diffusion_gemma",
        "canvas_length": canvas_length,
        "tie_word_embeddings": True,
        "dtype": "bfloat16",
        "text_config": text,
        "vision_config": VISION,
    }


@torch.no_grad()
def initialise(model: DiffusionGemma, seed: int) -> None:
    """Fan-in normal weights; residual branches start small.

    Embeddings get norm 1, so that scaled inputs have RMS 1 and tied logits a spread of about 1.
    The q and k norms carry the attention scale that Gemma 4 leaves out: head_dim ** -0.25 each.
    """
    generator = torch.Generator().manual_seed(seed)
    hidden = model.config.hidden_size
    branch = (2 * len(model.layers)) ** -0.5
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            module.weight.normal_(0.0, hidden**-0.5, generator=generator)
        elif isinstance(module, nn.Linear):
            module.weight.normal_(0.0, module.in_features**-0.5, generator=generator)
        elif isinstance(module, Experts):
            module.gate_up_proj.normal_(0.0, hidden**-0.5, generator=generator)
            inner = module.down_proj.shape[-1]
            module.down_proj.normal_(0.0, inner**-0.5, generator=generator)
        elif isinstance(module, Layer):
            module.post_attention_layernorm.weight.fill_(branch)
            module.post_feedforward_layernorm.weight.fill_(branch)
        elif isinstance(module, Attention):
            module.q_norm.weight.fill_(module.head_dim**-0.25)
            module.k_norm.weight.fill_(module.head_dim**-0.25)


def joint(
    model: DiffusionGemma, chunk: Tensor, canvas_ids: Tensor, start: Tensor, signal: Tensor | None
) -> tuple[Tensor, Tensor]:
    size, length = chunk.shape
    count, width = canvas_ids.shape[1:]
    rows = size * count
    canvas = model.self_conditioning(model.embed(canvas_ids.view(rows, width)), signal)
    hidden = torch.cat((model.embed(chunk), canvas.view(size, count * width, -1)), dim=1)
    offsets = torch.arange(width, device=chunk.device)
    positions = torch.cat(
        (
            torch.arange(length, device=chunk.device).expand(size, length),
            (start[:, :, None] + offsets).view(size, count * width),
        ),
        dim=1,
    )
    places = torch.arange(length, device=chunk.device)
    before = places[None, :] <= places[:, None]  # [T, T]
    seen = places < start[:, :, None]  # [B, K, T]
    own = torch.ones(size, width, dtype=torch.bool, device=chunk.device)
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


def causal(model: DiffusionGemma, chunk: Tensor) -> Tensor:
    length = chunk.shape[1]
    positions = torch.arange(length, device=chunk.device)
    before = positions[None, :] <= positions[:, None]

    def attend(index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        shared = query.unflatten(1, (key.shape[1], -1))
        return _causal(shared, key, value, before).flatten(1, 2)

    return model.run(model.embed(chunk), positions, attend)


@torch.no_grad()
def signal(model: DiffusionGemma, hidden: Tensor, canvas: Tensor, pinned: Tensor) -> Tensor:
    """Noised positions carry the expected embedding, pinned ones their own."""
    soft = model.soft_embedding(model.logits(hidden))
    return torch.where(pinned[..., None], model.embed(canvas), soft)


def head(model: DiffusionGemma) -> tuple[Tensor, float]:
    return model.embed_tokens.weight, model.config.final_logit_softcapping


def weights_met(model: DiffusionGemma) -> float:
    """Of the experts only those that serve a position, and the embeddings once, as the head."""
    config = model.config
    total = 0.0
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            continue
        share = config.top_k_experts / config.num_experts if "experts." in name else 1.0
        total += share * parameter.numel()
    return total


def published(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`transformers` shares the encoder's weights with the decoder, but not its layers' scalars:
    those it would leave uninitialised."""
    scalars = {
        name.replace(PREFIX, ENCODER): tensor.clone()
        for name, tensor in stored.items()
        if name.endswith(".layer_scalar")
    }
    return {**stored, **scalars}


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
