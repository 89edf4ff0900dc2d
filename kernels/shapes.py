"""The shapes of DiffusionGemma 26B-A4B, and every kernel's launches at them, without the memory.

Tensors are on the meta device, so that a wrapper which reads anything back from the card fails.
"""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.acceptance import EntropyBound, accept_triton
from kernels.attention import canvas_attention_triton, causal_attention_triton
from kernels.backend import Card, Launch, recording
from kernels.experts import experts_triton
from kernels.linear import linear_triton
from kernels.norm import (
    add_norm_triton,
    branch_norms_triton,
    merge_norms_triton,
    rms_norm_triton,
)
from kernels.rotary import norm_rotate_triton
from kernels.router import route_triton
from kernels.vocabulary import Outlook, vocabulary_triton
from kernels.weights import FP8, GROUP, NVFP4, Weight

LAYERS, FULL_LAYERS = 30, 5
HIDDEN, INNER, DENSE_INNER = 2816, 704, 2112
EXPERTS, TOP_K = 128, 8
HEADS, KV_HEADS, HEAD_DIM = 16, 8, 256
FULL_KV_HEADS, FULL_HEAD_DIM = 2, 512
WINDOW, VOCABULARY = 1024, 262144
FORMATS = ("bf16", "fp8", "nvfp4", "w4a4")  # w4a4: NVFP4 that rounds its inputs too
# The cards that matter, by capability, and how many multiprocessors one of each kind has.
CARDS = {80: 108, 86: 82, 89: 128, 90: 132, 100: 148, 120: 170}


def step_launches(
    card: Card, format: str, canvas: int = 256, candidates: int = 1, context: int = 2048
) -> list[Launch]:
    """One launch of each kernel for one layer of each type and the head of a denoising step, and
    the causal kernels of a prompt of `context` tokens. `format` is that of the experts."""
    tokens = canvas * candidates
    with recording(card) as launches:
        norm, row = meta(HIDDEN), meta(candidates, canvas, HIDDEN)
        rms_norm_triton(row, norm, 1e-6)
        add_norm_triton(row, row, norm, 1e-6)
        branch_norms_triton(row, row, norm, norm, norm, 1e-6)
        merge_norms_triton(row, row, row, (norm, norm, norm), meta(1), 1e-6)
        length = meta(1, dtype=torch.int32)
        for heads, size in ((KV_HEADS, HEAD_DIM), (FULL_KV_HEADS, FULL_HEAD_DIM)):
            query, key = (
                meta(candidates, canvas, HEADS, size),
                meta(candidates, canvas, heads, size),
            )
            angles = meta(canvas, size), meta(canvas, size)
            norm_rotate_triton(query, key, key, meta(size), meta(size), angles, 1e-6)
            query, key = query.transpose(1, 2), key.transpose(1, 2)
            seen = WINDOW - 1 if size == HEAD_DIM else context
            prefix = meta(1, heads, context, size)
            canvas_attention_triton(query, key, key, prefix, prefix, seen, length)
            window = WINDOW if size == HEAD_DIM else None
            causal_attention_triton(query[:1], key[:1], key[:1], prefix, prefix, window)
        rows = meta(tokens, HIDDEN)
        index, weight = route_triton(rows, norm, meta(EXPERTS, HIDDEN), meta(EXPERTS), TOP_K, 1e-6)
        gate_up = meta_weight(format, EXPERTS, 2 * INNER, HIDDEN, tensors=2)
        down = meta_weight(format, EXPERTS, HIDDEN, INNER)
        experts_triton(rows, gate_up, down, index, weight)
        if format != "bf16":  # torch multiplies plain matrices
            linear_triton(rows, meta_weight(format, HEADS * HEAD_DIM, HIDDEN))
        banned = meta(VOCABULARY, dtype=torch.bool)
        observed = meta(tokens, dtype=torch.int64)
        one, seed = meta(1, dtype=torch.float32), meta(1, dtype=torch.int64)
        outlook = Outlook(one, seed, 30.0, HIDDEN**0.5, banned, observed, one)
        vocabulary_triton(rows, meta(VOCABULARY, HIDDEN), outlook)
        ids = meta(candidates, canvas, dtype=torch.int64)
        real, entropy = meta(*ids.shape, dtype=torch.bool), meta(*ids.shape, dtype=torch.float32)
        rule = EntropyBound(0.1, 0.005, VOCABULARY, share=one)
        accept_triton(ids, ids, real, ids, ids, ids, entropy, seed, rule)
    return launches


def meta(*shape: int, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def meta_weight(format: str, *shape: int, tensors: int = 1) -> Weight:
    *lead, rows, columns = shape
    if format == "bf16":
        return meta(*shape)
    if format == "fp8":
        scale = meta(*lead, rows, dtype=torch.float32)
        return FP8(meta(*shape, dtype=torch.float8_e4m3fn), scale)
    return NVFP4(
        meta(*lead, rows, columns // 2, dtype=torch.uint8),
        meta(*lead, rows, columns // GROUP, dtype=torch.float8_e4m3fn),
        meta(*lead, tensors, dtype=torch.float32),
        rounds_inputs=format == "w4a4",
    )
