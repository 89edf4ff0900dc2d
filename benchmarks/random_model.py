"""DiffusionGemma with random weights, made on the device: at the 26B shapes, or tiny."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from engine.checkpoints.packed import hold
from engine.models.diffusion_gemma import FULL, SLIDING, Config, DiffusionGemma, KVCache, Rope
from kernels.trials import random_weight

LARGE = Config(
    vocab_size=262144,
    hidden_size=2816,
    intermediate_size=2112,
    moe_intermediate_size=704,
    num_experts=128,
    top_k_experts=8,
    num_attention_heads=16,
    num_key_value_heads=8,
    head_dim=256,
    num_global_key_value_heads=2,
    global_head_dim=512,
    layer_types=(*(SLIDING,) * 5, FULL) * 5,
    sliding_window=1024,
    rope={SLIDING: Rope(1e4), FULL: Rope(1e6, 0.25)},
    canvas_length=256,
    max_position_embeddings=262144,
)
TINY = replace(
    LARGE,
    vocab_size=300,
    hidden_size=64,
    intermediate_size=48,
    moe_intermediate_size=32,
    num_experts=4,
    top_k_experts=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    num_global_key_value_heads=1,
    global_head_dim=32,
    layer_types=(SLIDING, FULL),
    sliding_window=8,
    canvas_length=12,
)


def random_model(config: Config, format: str, device: torch.device) -> DiffusionGemma:
    """In bfloat16; in "fp8" experts and projections are FP8, in "nvfp4" and "w4a4" experts are
    NVFP4: as the published checkpoints have them. The same seed gives the same weights."""
    with torch.device("meta"):
        model = DiffusionGemma(config).to(torch.bfloat16)
    for name, given in list(model.named_parameters()):
        is_expert = ".experts." in name
        is_dense = name.endswith("_proj.weight")
        stored = format if is_expert or (is_dense and format == "fp8") else "bf16"
        path, _, leaf = name.rpartition(".")
        if given.ndim == 1:
            weight = torch.ones(given.shape, dtype=torch.bfloat16, device=device)
        else:
            tensors = 2 if leaf == "gate_up_proj" else 1
            weight = random_weight(stored, tuple(given.shape), device, tensors)
        if not hold(model, name, weight):
            setattr(model.get_submodule(path), leaf, nn.Parameter(weight, requires_grad=False))
    for layer in model.layers:
        layer.layer_scalar = torch.ones(1, dtype=torch.bfloat16, device=device)
    return model.eval()


def random_cache(config: Config, length: int, device: torch.device) -> KVCache:
    def room(kind: str) -> Tensor:
        slides = kind == SLIDING
        heads = config.num_key_value_heads if slides else config.num_global_key_value_heads
        size = config.head_dim if slides else config.global_head_dim
        return (torch.randn(1, heads, length, size, device=device) * size**-0.5).bfloat16()

    keys, values = (tuple(room(kind) for kind in config.layer_types) for _ in range(2))
    return KVCache(keys, values)
