"""What a model needs of a card before a byte of it is loaded, and what a card's free memory allows.

Four parts: weights, the keys and values of the context, workspace (what one step, or the ranking
after it, holds at its worst), and what the runtime takes (kernels, graphs). All in bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from engine.api import OutOfMemory
from engine.checkpoints.checkpoint import Checkpoint
from engine.models.diffusion_gemma import SLIDING, Config, DiffusionGemma

GB = 1_000_000_000
BF16 = 2

# Bytes of float32 logits-sized tensors that live at once, per open position and token, at the worst
# moment: while `engine.sampler.entropy` makes log p, its finite copy, p and their product, the loop
# holds the logits, the cooled ones, and those of the step before. Ranking: the capped logits and
# what the cap is made of (`DiffusionGemma.logits`).
STEP_BYTES = 7 * 4
RANK_BYTES = 3 * 4

# CUDA context, compiled kernels and captured graphs. An estimate, until it is measured on a card.
RUNTIME = {"cuda": 900_000_000, "cpu": 0}


@dataclass(frozen=True, slots=True)
class Use:
    """How a model is used: the prompt's tokens, candidate canvases side by side, their width, the
    open positions of each, and the tokens that ranking reads of each."""

    context: int
    candidates: int
    canvas: int
    open: int
    ranked: int

    def __str__(self) -> str:
        return (
            f"{self.candidates} canvases of {self.canvas} tokens, holes of {self.open},"
            f" {self.context} tokens of context"
        )


@dataclass(frozen=True, slots=True)
class Needs:
    weights: int
    context: int
    workspace: int
    runtime: int

    @property
    def total(self) -> int:
        return self.weights + self.context + self.workspace + self.runtime

    def __str__(self) -> str:
        parts = ("weights", "context", "workspace", "runtime")
        told = ", ".join(f"{name} {_gb(getattr(self, name))}" for name in parts)
        return f"{_gb(self.total)} ({told})"


@dataclass(frozen=True, slots=True)
class Plan:
    """A use that fits, and what it needs."""

    use: Use
    needs: Needs


# From what a fill cannot do without to more than most need; the last that fits is chosen.
LADDER = (
    Use(1024, 1, 64, 24, 96),
    Use(2048, 2, 128, 24, 128),
    Use(2048, 2, 128, 48, 128),
    Use(4096, 4, 128, 48, 160),
    Use(4096, 4, 256, 96, 192),
    Use(4096, 6, 256, 96, 192),
    Use(8192, 6, 256, 96, 192),
    Use(16384, 8, 256, 96, 192),
)
BEST_FIRST = ("bf16", "fp8", "nvfp4")


def needs(config: Config, weights: int, use: Use, device: str = "cuda", item: int = BF16) -> Needs:
    """What `use` of a model of `weights` bytes takes, with activations of `item` bytes."""
    step = STEP_BYTES * use.candidates * use.open * config.vocab_size
    rank = RANK_BYTES * use.candidates * use.ranked * config.vocab_size
    # A longer cache is made beside the one it continues.
    copied = context_bytes(config, use.context, item)
    return Needs(
        weights=weights,
        context=context_bytes(config, use.context, item),
        workspace=max(step, rank, copied) + _activations(config, use, item),
        runtime=RUNTIME[device],
    )


def context_bytes(config: Config, tokens: int, item: int = BF16) -> int:
    """Keys and values of `tokens`: every layer keeps them all."""
    return sum(
        2 * tokens * item
        * (config.num_key_value_heads * config.head_dim if kind == SLIDING
           else config.num_global_key_value_heads * config.global_head_dim)
        for kind in config.layer_types
    )  # fmt: skip


def weight_bytes(config: Config, format: str) -> int:
    """Of a whole model in one of `BEST_FIRST`, as its publishers store it: fp8 all matrices of the
    layers but the router, nvfp4 only the experts; the rest in 16 bits."""
    return sum(_stored_bytes(name, shape, format) for name, shape in _shapes(config).items())


def loaded_bytes(checkpoint: Checkpoint, dtype: torch.dtype, *, packed: bool) -> int:
    """What a checkpoint's weights take once loaded: kept in their format, or dequantised."""
    if not packed:
        return sum(math.prod(each.shape) * dtype.itemsize for each in checkpoint.placed)
    return sum(
        each.nbytes if each.format.name != "plain" else math.prod(each.shape) * dtype.itemsize
        for each in checkpoint.placed
    )


def choose(name: str, config: Config, weights: int, free: int, device: str = "cuda") -> Plan:
    """The most generous use that `free` bytes allow. Raises OutOfMemory saying what would fit."""
    fitting = [use for use in LADDER if needs(config, weights, use, device).total <= free]
    if fitting:
        return Plan(fitting[-1], needs(config, weights, fitting[-1], device))
    least = needs(config, weights, LADDER[0], device)
    raise OutOfMemory(
        f"{name} needs at least {least}, and {_gb(free)} are free;"
        f" {_what_would_fit(config, weights, free, device)}"
    )


def best_format(
    config: Config, free: int, sizes: Mapping[str, int], device: str = "cuda"
) -> tuple[str, Plan] | None:
    """The format nearest to the original that leaves room for a comfortable use (half of the
    ladder); else any that fits at all; None where nothing does. `sizes`: bytes by format."""
    plans: dict[str, Plan] = {}
    for format in BEST_FIRST:
        if format in sizes:
            try:
                plans[format] = choose(format, config, sizes[format], free, device)
            except OutOfMemory:
                continue
    for format, plan in plans.items():
        if LADDER.index(plan.use) >= len(LADDER) // 2:
            return format, plan
    return max(plans.items(), key=lambda each: LADDER.index(each[1].use), default=None)


def _what_would_fit(config: Config, weights: int, free: int, device: str) -> str:
    smaller = {
        format: size
        for format in BEST_FIRST
        if (size := weight_bytes(config, format)) < 0.95 * weights
    }
    found = best_format(config, free, smaller, device)
    if found is None:
        return "what would fit is the embedded model: leave out --model, or give --model embedded"
    format, plan = found
    return f"the same model in {format} would fit: it needs {plan.needs}"


def _activations(config: Config, use: Use, item: int) -> int:
    """Small beside the rest: hidden states and the experts' insides of the widest pass."""
    tokens = max(use.candidates * use.canvas, use.context)
    inside = max(config.moe_intermediate_size * config.top_k_experts, config.intermediate_size)
    return tokens * (6 * config.hidden_size + 3 * inside) * item


def _stored_bytes(name: str, shape: torch.Size, format: str) -> int:
    size = math.prod(shape)
    rows = math.prod(shape[:-1])
    if format == "nvfp4" and ".experts." in name:
        tensors = shape[0] * (2 if name.endswith("gate_up_proj") else 1)
        return size // 2 + size // 16 + 4 * tensors
    in_layers = any(part in name for part in (".experts.", ".mlp.", ".self_attn."))
    if format == "fp8" and in_layers and len(shape) > 1:
        return size + 4 * rows
    return size * BF16


def _shapes(config: Config) -> dict[str, torch.Size]:
    """Of every weight; kept, because a model of 30 layers takes a while even without memory."""
    key = repr(config)
    if key not in _SHAPES:
        with torch.device("meta"):
            model = DiffusionGemma(config)
        tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        _SHAPES[key] = {name: tensor.shape for name, tensor in tensors.items()}
    return _SHAPES[key]


_SHAPES: dict[str, dict[str, torch.Size]] = {}


def _gb(size: int) -> str:
    return f"{size / GB:.1f} GB"
