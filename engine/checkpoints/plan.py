"""What a model needs before a byte of it is loaded, and what the memory that is free allows.

Four parts: weights, the keys and values of the context, workspace (what one step, or the ranking
after it, holds at its worst), and what the runtime takes (kernels, graphs). All in bytes. Where a
profile asks for more than is free, it is cut down: `choose` goes down a ladder until it fits.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from engine.api import OutOfMemory
from engine.checkpoints.catalog import EMBEDDED
from engine.checkpoints.checkpoint import Checkpoint
from engine.checkpoints.memory import free_bytes
from engine.checkpoints.packed import narrows, stays_packed
from engine.checkpoints.profile import SMALLEST_HOLE, Profile
from engine.models.family import Architecture, StepSize, build
from engine.models.scores import SLICE

GB = 1_000_000_000
BF16 = 2
SCALE = 4  # of an output channel in FP8
HEALED = 2  # open positions that healed seams add to a hole, one on each side

# Float32 tensors as large as the logits that live at once, at the worst moment of a step. In all
# rules (engine/denoise/rules): the logits, those that the step before believed in, log p, its
# finite copy, and p. The surest first: the cooled logits too. Where tokens are drawn, at that
# moment: shares, cooled logits twice, the race, its logarithm and the difference, beside the first
# two.
RESOLVED_FROM_LEFT, SUREST_FIRST, DRAWN = 5, 6, 8
# Where seams heal, what may not be written differs by position: a mask, and what it adds.
MASKED = 1 + 4
# Ranking and writing on: the capped logits and what the cap is made of, for a token of the
# vocabulary; and for each pair of a token that is read and one that it may see: which are seen, of
# all layers, of those with a window, with keys to spare, for each head of a group of four, and what
# attention adds for it in two bytes.
RANK_BYTES = 3 * 4
PAIR_BYTES = 5 + 4 * (1 + 2)
# What is ranked beside what the canvases say, at most: lines that are written on, blocks behind
# some of them, and what was looked up. As engine/fill has it, which a test compares.
LINE, BLOCKS, BLOCK, BLOCK_LINES, LOOKED_UP = 20, 4, 80, 6, 8

# CUDA context, compiled kernels and captured graphs, an estimate until measured on a card. On a
# processor what its library of matrix products keeps for itself, as measured.
RUNTIME = {"cuda": 900_000_000, "cpu": 2_500_000}


@dataclass(frozen=True, slots=True)
class Use:
    """How a model is used: the tokens whose keys and values are kept (the prompt's and, where there
    is room, those of other windows), candidate canvases side by side, their width, the open
    positions of each, and the tokens that ranking reads, of all candidates; the bytes that a step
    holds for an open position and a token of the vocabulary; and the tokens of one prompt, 0 for
    all of `context`."""

    context: int
    candidates: int
    canvas: int
    open: int
    ranked: int = 0
    step_bytes: int = 4 * DRAWN + MASKED
    prompt: int = 0
    keeps_prompt: bool = False
    masked_in_turn: int = 0

    @property
    def step(self) -> StepSize:
        return StepSize(self.candidates, self.canvas, self.open, self.prompt or self.context)

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
        listed = ", ".join(f"{name} {_gb(getattr(self, name))}" for name in parts)
        return f"{_gb(self.total)} ({listed})"


@dataclass(frozen=True, slots=True)
class Plan:
    """A profile that fits, how it uses the model, what that needs, and its rung of the ladder.
    `narrow`: matrices that are stored in 16 bits or more are kept in FP8."""

    profile: Profile
    use: Use
    needs: Needs
    rung: int
    narrow: bool = False

    @property
    def is_comfortable(self) -> bool:
        return self.rung >= len(LADDER) // 2

    def __str__(self) -> str:
        return f"{self.use}, its matrices in FP8" if self.narrow else str(self.use)


# The most that a profile may ask for: from what a fill cannot do without to more than most need.
LADDER = (
    Use(1024, 2, 64, 24),
    Use(2048, 2, 128, 24),
    Use(2048, 3, 128, 48),
    Use(4096, 4, 128, 48),
    Use(4096, 4, 256, 96),
    Use(4096, 7, 256, 96),
    Use(8192, 7, 256, 96),
    Use(16384, 9, 256, 96),
)
BEST_FIRST = ("bf16", "fp8", "nvfp4")


def fit(
    name: str, checkpoint: Checkpoint, profile: Profile, device: torch.device, dtype: torch.dtype
) -> Plan:
    """As much of `profile` as the memory that is free on `device` allows, all of it where nobody
    can tell. Raises OutOfMemory saying what would fit."""
    packed = stays_packed(device)
    weights = loaded_bytes(checkpoint, dtype, packed=packed)
    narrow = loaded_bytes(checkpoint, dtype, packed=packed, narrow=True) if packed else weights
    free = free_bytes(device)
    room = sys.maxsize if free is None else free
    given = checkpoint.config, room, profile, device.type, dtype.itemsize
    return choose_width(name, weights, narrow, *given)


def choose_width(
    name: str,
    weights: int,
    narrow: int,
    config: Architecture,
    free: int,
    profile: Profile,
    device: str = "cuda",
    item: int = BF16,
) -> Plan:
    """As `choose`, for weights that take `weights` bytes as they are stored, and `narrow` bytes
    with their matrices in FP8: which they are where that leaves more room to work in."""
    try:
        stored = choose(name, config, weights, free, profile, device, item)
    except OutOfMemory:
        if narrow >= weights:
            raise
        stored = None
    if narrow >= weights or (stored is not None and stored.is_comfortable):
        assert stored is not None
        return stored
    packed = choose(name, config, narrow, free, profile, device, item)
    if stored is not None and stored.rung >= packed.rung:
        return stored
    return replace(packed, narrow=True)


def choose(
    name: str,
    config: Architecture,
    weights: int,
    free: int,
    profile: Profile,
    device: str = "cuda",
    item: int = BF16,
) -> Plan:
    """The most of `profile` that `free` bytes allow. Raises OutOfMemory saying what would fit."""
    for rung in reversed(range(len(LADDER))):
        plan = _plan(rung, config, weights, device, profile, item)
        if plan.needs.total <= free:
            return plan
    raise OutOfMemory(
        f"{name} needs at least {plan.needs}, and {_gb(free)} are free;"
        f" {_what_would_fit(name, config, weights, free, profile, device)}"
    )


def least(
    config: Architecture, weights: int, profile: Profile, device: str = "cuda", item: int = BF16
) -> Needs:
    """What the least use of a model takes."""
    return _plan(0, config, weights, device, profile, item).needs


def use_of(profile: Profile, context: int) -> Use:
    """What `profile` asks for at most, with one hole and `context` tokens kept."""
    lengths = max(profile.canvas.line_tokens, profile.canvas.block_tokens, key=len)
    # A draft is tried in its own length too, where no slack fills a longer hole.
    candidates = len(lengths) + (profile.tokens.slack is None)
    longest = max(*profile.canvas.line_tokens, *profile.canvas.block_tokens)
    widest = longest + (HEALED if profile.canvas.heal else 0)
    return Use(
        context=max(context, profile.canvas.prompt_tokens),
        candidates=candidates,
        canvas=profile.canvas.width,
        open=widest,
        ranked=_ranked(profile, candidates, widest),
        step_bytes=4 * _tensors(profile) + (MASKED if profile.canvas.heal else 0),
        prompt=profile.canvas.prompt_tokens,
        keeps_prompt=profile.sampling.prefix_refresh > 1,
        masked_in_turn=profile.ranking.pseudo_likelihood,
    )


def limited(profile: Profile, most: Use) -> Profile:
    """`profile` with nothing beyond `most`; what is pinned on a narrower canvas shrinks with it."""
    canvas = min(profile.canvas.width, most.canvas)
    share = canvas / profile.canvas.width
    count = max(1, most.candidates - (profile.tokens.slack is None))
    return profile.but(
        prompt_tokens=min(profile.canvas.prompt_tokens, most.context),
        width=canvas,
        head_tokens=max(1, min(int(profile.canvas.head_tokens * share), canvas - SMALLEST_HOLE)),
        tail_tokens=math.ceil(profile.canvas.tail_tokens * share),
        line_tokens=_thinned(profile.canvas.line_tokens, most.open, count),
        block_tokens=_thinned(profile.canvas.block_tokens, most.open, count),
    )


def needs(
    config: Architecture, weights: int, use: Use, device: str = "cuda", item: int = BF16
) -> Needs:
    """What `use` of a model of `weights` bytes takes, with activations of `item` bytes."""
    step = use.step_bytes * use.candidates * use.open * config.vocab_size
    # A longer cache is made beside the one it continues.
    context = config.context_bytes(use.context, item)
    kept = config.kept_bytes(use.step, item) if use.keeps_prompt else 0
    # First the layers read all candidates, then they are judged, a slice at a time.
    tree = StepSize(1, use.ranked, use.ranked, 0)
    rank = max(
        PAIR_BYTES * use.ranked * (use.step.context + use.ranked)
        + config.activation_bytes(tree, item),
        RANK_BYTES * min(SLICE, use.ranked) * config.vocab_size,
    )
    rows = replace(use.step, candidates=max(1, use.masked_in_turn) * use.candidates)
    in_turn = config.activation_bytes(rows, item) if use.masked_in_turn else 0
    return Needs(
        weights=weights,
        context=context + kept,
        workspace=max(step, rank, in_turn, context, config.activation_bytes(use.step, item)),
        runtime=RUNTIME.get(device, 0),
    )


def weight_bytes(config: Architecture, format: str) -> int:
    """Of a whole model in one of `BEST_FIRST`, as its publishers store it: fp8 all matrices of the
    layers but the router, nvfp4 only the experts; the rest in 16 bits."""
    return sum(_stored_bytes(name, shape, format) for name, shape in shapes(config).items())


def loaded_bytes(
    checkpoint: Checkpoint, dtype: torch.dtype, *, packed: bool, narrow: bool = False
) -> int:
    """What a checkpoint's weights take once loaded: kept in their format, or dequantised; `narrow`
    as in Plan."""
    total = 0
    for each in checkpoint.placed:
        size = math.prod(each.shape)
        if packed and each.format.packed:
            total += each.nbytes
        elif narrow and narrows(each.name, each.shape):
            total += size + SCALE * each.shape[0]
        else:
            total += size * dtype.itemsize
    return total


def best_format(
    config: Architecture,
    free: int,
    sizes: Mapping[str, int],
    profiles: Mapping[str, Profile],
    device: str = "cuda",
) -> tuple[str, Plan] | None:
    """The format nearest to the original that leaves room for a comfortable use (half of the
    ladder); else any that fits at all; None where nothing does. `sizes`: bytes by format, and
    `profiles`: how each of them would be used."""
    plans: dict[str, Plan] = {}
    for format in BEST_FIRST:
        if format in sizes:
            try:
                plans[format] = choose(
                    format, config, sizes[format], free, profiles[format], device
                )
            except OutOfMemory:
                continue
    for format, plan in plans.items():
        if plan.is_comfortable:
            return format, plan
    return max(plans.items(), key=lambda each: each[1].rung, default=None)


def _tensors(profile: Profile) -> int:
    if not profile.sampling.greedy:
        return DRAWN
    return RESOLVED_FROM_LEFT if profile.sampling.order == "left" else SUREST_FIRST


def _ranked(profile: Profile, candidates: int, widest: int) -> int:
    """Tokens that ranking reads at most: what the candidates share (the head) once."""
    ranking = profile.ranking
    looked_up = LOOKED_UP if ranking.lookup else 0
    tokens, rows = (candidates + looked_up) * widest, candidates + looked_up
    if ranking.beams:
        tokens += ranking.beams * LINE + BLOCKS * BLOCK
        rows += ranking.beams + BLOCKS * BLOCK_LINES
    return 1 + profile.canvas.head_tokens + tokens + rows * ranking.scored_suffix_tokens


def _plan(
    rung: int, config: Architecture, weights: int, device: str, profile: Profile, item: int
) -> Plan:
    most = LADDER[rung]
    fitting = limited(profile, most)
    use = use_of(fitting, most.context)
    return Plan(fitting, use, needs(config, weights, use, device, item), rung)


def _thinned(lengths: tuple[int, ...], longest: int, count: int) -> tuple[int, ...]:
    """At most `count` of `lengths`, evenly spread, none above `longest`; the last one stays."""
    allowed = sorted(n for n in lengths if n <= longest) or [longest]
    if len(allowed) <= count:
        return tuple(allowed)
    return tuple(allowed[-1 - (count - 1 - i) * len(allowed) // count] for i in range(count))


def _what_would_fit(
    name: str, config: Architecture, weights: int, free: int, profile: Profile, device: str
) -> str:
    if name == EMBEDDED:
        return "close other programs that hold memory"
    smaller = {
        format: size
        for format in BEST_FIRST
        if (size := weight_bytes(config, format)) < 0.95 * weights
    }
    found = best_format(config, free, smaller, dict.fromkeys(smaller, profile), device)
    if found is None:
        return "what would fit is the embedded model: leave out --model, or give --model embedded"
    format, plan = found
    return f"the same model in {format} would fit: it needs {plan.needs}"


def _stored_bytes(name: str, shape: torch.Size, format: str) -> int:
    size = math.prod(shape)
    rows = math.prod(shape[:-1])
    if format == "nvfp4" and ".experts." in name:
        tensors = shape[0] * (2 if name.endswith("gate_up_proj") else 1)
        return size // 2 + size // 16 + 4 * tensors
    in_layers = any(part in name for part in (".experts.", ".mlp.", ".self_attn."))
    if format == "fp8" and in_layers and len(shape) > 1:
        return size + SCALE * rows
    return size * BF16


def shapes(config: Architecture) -> dict[str, torch.Size]:
    """Of every weight, by name; kept, because a model of 30 layers takes a while even without
    memory."""
    key = repr(config)
    if key not in _SHAPES:
        with torch.device("meta"):
            model = build(config)
        tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        _SHAPES[key] = {name: tensor.shape for name, tensor in tensors.items()}
    return _SHAPES[key]


_SHAPES: dict[str, dict[str, torch.Size]] = {}


def _gb(size: int) -> str:
    return f"{size / GB:.1f} GB" if size >= GB / 10 else f"{size / 1e6:.0f} MB"
