"""The shapes of masked-diffusion models that people can download, and the launches of a step of
theirs, without the memory: as kernels/shapes.py has it for DiffusionGemma."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from kernels.attention import canvas_attention_triton
from kernels.backend import Card, Launch, recording
from kernels.linear import linear_triton
from kernels.norm import rms_norm_triton
from kernels.shapes import meta, meta_weight
from kernels.vocabulary import Outlook, vocabulary_triton


@dataclass(frozen=True, slots=True)
class Dense:
    """Widths of a Qwen2, and its vocabulary as its head has it."""

    hidden: int
    inner: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int


DENSE = {
    "open-dcoder-0.5b": Dense(896, 4864, 14, 2, 64, 151936),
    "dream-7b": Dense(3584, 18944, 28, 4, 128, 152064),
}
DENSE_FORMATS = ("bf16", "fp8")


def dense_launches(
    card: Card, model: str, format: str, text: int = 416, candidates: int = 2, kept: int = 256
) -> list[Launch]:
    """One launch of each kernel of a look at `candidates` texts of `text` tokens: what they see of
    themselves, and of `kept` tokens of an approximate prefix cache; its linear layers in `format`;
    and the vocabulary for as many positions as a canvas has open."""
    shape = DENSE[model]
    rows = meta(candidates * text, shape.hidden)
    with recording(card) as launches:
        rms_norm_triton(rows, meta(shape.hidden), 1e-6)
        query = meta(candidates, text, shape.heads, shape.head_dim).transpose(1, 2)
        key = meta(candidates, text, shape.kv_heads, shape.head_dim).transpose(1, 2)
        nothing = meta(1, shape.kv_heads, 0, shape.head_dim)
        canvas_attention_triton(query, key, key, nothing, nothing, 0)
        prefix = meta(1, shape.kv_heads, kept, shape.head_dim)
        canvas_attention_triton(query[:1], key[:1], key[:1], prefix, prefix, kept)
        if format != "bf16":  # torch multiplies plain matrices
            linear_triton(rows, meta_weight(format, shape.inner, shape.hidden))
            linear_triton(
                meta(rows.shape[0], shape.inner), meta_weight(format, shape.hidden, shape.inner)
            )
        banned = meta(shape.vocabulary, dtype=torch.bool)
        some = meta(candidates * 32, shape.hidden)
        one, seed = meta(1, dtype=torch.float32), meta(1, dtype=torch.int64)
        head = meta(shape.vocabulary, shape.hidden)
        vocabulary_triton(some, head, Outlook(one, seed, banned=banned), soften=False)
    return launches


__all__ = ["DENSE", "DENSE_FORMATS", "Dense", "dense_launches"]
