"""Every kernel beside its reference on random input, at any sizes: what a card is tried with.

Tests hold the two against each other; `benchmarks/gpu.py` also times the kernel, and prints it
beside what it must move and do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

from kernels import acceptance, attention, experts, norm, rotary, router, shapes, vocabulary
from kernels.linear import linear_reference, linear_triton
from kernels.rounding import round_rows_reference, round_rows_triton
from kernels.weights import FP8, NVFP4, Weight, dequantise, quantise_fp8, quantise_nvfp4

EPS = 1e-6


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of a model; the default is the 26B one."""

    hidden: int = shapes.HIDDEN
    inner: int = shapes.INNER
    experts: int = shapes.EXPERTS
    top_k: int = shapes.TOP_K
    heads: int = shapes.HEADS
    kv_heads: int = shapes.KV_HEADS
    head_dim: int = shapes.HEAD_DIM
    full_kv_heads: int = shapes.FULL_KV_HEADS
    full_head_dim: int = shapes.FULL_HEAD_DIM
    window: int = shapes.WINDOW
    vocabulary: int = shapes.VOCABULARY


TINY = Sizes(64, 32, 4, 2, 4, 2, 16, 1, 32, 8, 300)


@dataclass(frozen=True, slots=True)
class Trial:
    """`ours` and `reference` give the same tensors, or nearly. `bytes` a kernel must move: what it
    is given and what it makes, once each; `operations` it must do, where they are many."""

    name: str
    ours: Callable[[], tuple[Tensor, ...]]
    reference: Callable[[], tuple[Tensor, ...]]
    bytes: int
    operations: float = 0.0

    def error(self) -> float:
        """The largest of the outputs' relative errors, ||ours - reference|| / ||reference||; NaN
        where one of them is."""
        worst = 0.0
        for mine, truth in zip(self.ours(), self.reference(), strict=True):
            if mine.shape != truth.shape:
                return float("nan")
            size = truth.double().norm().clamp_min(1e-30)
            error = float((mine.double() - truth.double()).norm() / size)
            worst = error if not error <= worst else worst
        return worst


def trials(
    sizes: Sizes,
    device: torch.device,
    *,
    format: str = "bf16",
    canvas: int = 256,
    candidates: int = 1,
    context: int = 2048,
) -> Iterator[Trial]:
    """One after the other: the tensors of each may be let go before the next is made. Of formats
    but "bf16" only what reads weights in them."""
    make = _Maker(sizes, device, canvas, candidates, context)
    yield from make.experts(format)
    if format != "bf16":
        return
    yield from make.norms()
    for slides in (True, False):
        yield from make.attention(slides)
    yield from make.router()
    yield from make.vocabulary()
    yield from make.acceptance()


@dataclass(frozen=True, slots=True)
class _Maker:
    sizes: Sizes
    device: torch.device
    canvas: int
    candidates: int
    context: int

    @property
    def tokens(self) -> int:
        return self.canvas * self.candidates

    def random(self, *shape: int, scale: float = 1.0) -> Tensor:
        return (torch.randn(shape, device=self.device) * scale).bfloat16()

    def weight(self, format: str, *shape: int, tensors: int = 1) -> Weight:
        return random_weight(format, shape, self.device, tensors)

    def norms(self) -> Iterator[Trial]:
        size = self.sizes.hidden
        x, residual, dense, routed = (self.random(self.tokens, size) for _ in range(4))
        weights = self.random(size), self.random(size), self.random(size)
        scalar = torch.full((1,), 0.3, device=self.device).bfloat16()
        given: dict[str, tuple[Any, ...]] = {
            "rms_norm": (x, weights[0], EPS),
            "add_norm": (residual, x, weights[0], EPS),
            "branch_norms": (residual, x, *weights, EPS),
            "merge_norms": (residual, dense, routed, weights, scalar, EPS),
        }
        for name, arguments in given.items():
            yield _trial(
                name, getattr(norm, f"{name}_triton"), getattr(norm, f"{name}_reference"), arguments
            )

    def attention(self, slides: bool) -> Iterator[Trial]:
        sizes, kind = self.sizes, "sliding" if slides else "full"
        heads = sizes.kv_heads if slides else sizes.full_kv_heads
        size = sizes.head_dim if slides else sizes.full_head_dim
        query = self.random(self.candidates, self.canvas, sizes.heads, size)
        key, value = (self.random(self.candidates, self.canvas, heads, size) for _ in range(2))
        frequencies = rotary.rotary_frequencies(size, 1e4, 1.0 if slides else 0.25)
        positions = torch.arange(self.canvas, device=self.device) + self.context
        angles = rotary.rotary_angles(positions, frequencies.to(self.device), torch.bfloat16)
        given = (query, key, value, self.random(size), self.random(size), angles, EPS)
        yield _trial(
            f"norm_rotate, {kind}",
            rotary.norm_rotate_triton,
            rotary.norm_rotate_reference,
            given,
        )
        # As after the norms: not too peaked, for the scores are not scaled.
        query = query.transpose(1, 2) * size**-0.5
        key, value = key.transpose(1, 2), value.transpose(1, 2)
        past = [self.random(1, heads, self.context, size) for _ in range(2)]
        seen = min(self.context, sizes.window - 1 if slides else self.context)
        prefix_key, prefix_value = past
        tensors = query, key, value, prefix_key, prefix_value
        moved = _bytes((query, query, key, value)) + _bytes(past) * seen // self.context
        yield Trial(
            f"canvas attention, {kind}",
            lambda: (attention.canvas_attention_triton(*tensors, seen),),
            lambda: (attention.canvas_attention_reference(*tensors, seen),),
            moved,
            4.0 * self.tokens * sizes.heads * (seen + self.canvas) * size,
        )
        window = sizes.window if slides else None
        place = torch.arange(self.canvas, device=self.device)[:, None] + self.context
        ahead = place - torch.arange(self.context + self.canvas, device=self.device)[None, :]
        mask = (ahead >= 0) & (ahead < (window or self.context + self.canvas))
        first = query[:1], key[:1], value[:1], prefix_key, prefix_value
        yield Trial(
            f"causal attention, {kind}",
            lambda: (attention.causal_attention_triton(*first, window),),
            lambda: (attention.prefix_attention_reference(*first, mask),),
            moved,
            4.0 * sizes.heads * size * float(mask.sum()),
        )

    def router(self) -> Iterator[Trial]:
        sizes = self.sizes
        proj = self.random(sizes.experts, sizes.hidden, scale=2.0)
        scale, each = self.random(sizes.hidden), torch.ones(sizes.experts, device=self.device)
        rows = self.random(self.tokens, sizes.hidden)
        given = (rows, scale, proj, each.bfloat16(), sizes.top_k, EPS)
        # Of experts that are all but equally likely either may come first: their weights tell.
        yield Trial(
            "route",
            lambda: (router.route_triton(*given)[1].sort(dim=-1).values,),
            lambda: (router.route_reference(*given)[1].sort(dim=-1).values,),
            _bytes(given),
            2.0 * self.tokens * proj.numel(),
        )
        index = router.route_reference(*given)[0]
        yield Trial(
            "sort_tokens",
            lambda: _fields(router.sort_tokens_triton(index, sizes.experts)),
            lambda: _fields(router.sort_tokens_reference(index, sizes.experts)),
            _bytes((index,)) + 4 * index.numel(),
        )

    def experts(self, format: str) -> Iterator[Trial]:
        sizes, rows = self.sizes, self.tokens
        x = self.random(rows, sizes.hidden)
        gate_up = self.weight(format, sizes.experts, 2 * sizes.inner, sizes.hidden, tensors=2)
        down = self.weight(format, sizes.experts, sizes.hidden, sizes.inner)
        index = torch.rand(rows, sizes.experts, device=self.device).argsort(dim=-1)
        index = index[:, : sizes.top_k].contiguous()
        given = (x, gate_up, down, index, torch.rand(rows, sizes.top_k, device=self.device))
        read = len(index.unique()) / sizes.experts  # the share of the experts that tokens go to
        weights = int(_bytes((gate_up, down)) * read)
        yield Trial(
            f"experts, {format}",
            lambda: (experts.experts_triton(*given),),
            lambda: (experts.experts_reference(*given),),
            weights + 2 * _bytes((x,)),
            2.0 * rows * sizes.top_k * (3 * sizes.inner * sizes.hidden),
        )
        if format == "bf16":  # torch multiplies plain matrices
            return
        dense = self.weight(format, sizes.heads * sizes.head_dim, sizes.hidden)
        flat = 2.0 * rows * sizes.heads * sizes.head_dim * sizes.hidden
        both = (x, dense)
        yield _trial(f"linear, {format}", linear_triton, linear_reference, both, flat)
        if format == "nvfp4":
            yield Trial(
                "round_rows",
                lambda: (dequantise(round_rows_triton(x), torch.float32),),
                lambda: (dequantise(round_rows_reference(x), torch.float32),),
                _bytes((x,)) + _bytes((x,)) // 4,
            )

    def vocabulary(self) -> Iterator[Trial]:
        sizes, rows = self.sizes, self.tokens
        hidden = self.random(rows, sizes.hidden)
        table = self.random(sizes.vocabulary, sizes.hidden, scale=2 * sizes.hidden**-0.5)
        one = torch.full((1,), 0.7, device=self.device)
        seed = torch.full((1,), 7, dtype=torch.int64, device=self.device)
        outlook = vocabulary.Outlook(one, seed, 30.0, sizes.hidden**0.5)

        def tensors_of(beliefs: vocabulary.Beliefs) -> tuple[Tensor, ...]:
            assert beliefs.embedding is not None
            return beliefs.entropy, beliefs.probability, beliefs.embedding

        yield Trial(
            "vocabulary",
            lambda: tensors_of(vocabulary.vocabulary_triton(hidden, table, outlook)),
            lambda: tensors_of(vocabulary.vocabulary_reference(hidden, table, outlook)),
            2 * _bytes((table,)) + 4 * rows * sizes.vocabulary,  # read twice; powers there and back
            4.0 * rows * table.numel(),
        )

    def acceptance(self) -> Iterator[Trial]:
        shape = (self.candidates, self.canvas)
        ids, chosen, likeliest = (
            torch.randint(self.sizes.vocabulary, shape, device=self.device) for _ in range(3)
        )
        places = torch.arange(self.canvas, device=self.device).expand(shape).contiguous()
        entropy = torch.rand(shape, device=self.device) * 0.02
        seed = torch.full((1,), 7, dtype=torch.int64, device=self.device)
        real = torch.ones_like(ids, dtype=torch.bool)
        rule = acceptance.EntropyBound(0.1, 0.005, self.sizes.vocabulary)
        given = (ids, places, real, chosen, likeliest, likeliest, entropy, seed, rule)
        yield _trial("accept", acceptance.accept_triton, acceptance.accept_reference, given)


def random_weight(
    format: str, shape: tuple[int, ...], device: torch.device, tensors: int = 1
) -> Weight:
    """In any of `shapes.FORMATS`. Made expert by expert: all at once would not fit in float32."""
    *lead, rows, columns = shape
    count = lead[0] if lead else 1
    made = [
        _quantised(torch.randn(rows, columns, device=device) * columns**-0.5, format, tensors)
        for _ in range(count)
    ]
    if isinstance(made[0], Tensor):
        return torch.stack([each for each in made if isinstance(each, Tensor)]).reshape(shape)
    first = made[0]
    stacked = {
        field.name: _stack([getattr(each, field.name) for each in made], lead)
        for field in fields(first)
        if isinstance(getattr(first, field.name), Tensor)
    }
    if isinstance(first, FP8):
        return FP8(**stacked)
    return NVFP4(**stacked, rounds_inputs=format == "w4a4")


def _quantised(plain: Tensor, format: str, tensors: int) -> Weight:
    if format == "bf16":
        return plain.bfloat16()
    return quantise_fp8(plain) if format == "fp8" else quantise_nvfp4(plain, tensors)


def _stack(parts: list[Tensor], lead: list[int]) -> Tensor:
    """As bytes: not every device stacks float8."""
    dtype = parts[0].dtype
    if dtype == torch.float8_e4m3fn:
        parts = [part.view(torch.uint8) for part in parts]
    return torch.stack(parts).reshape(*lead, *parts[0].shape).view(dtype)


def _trial(
    name: str,
    ours: Callable[..., Any],
    reference: Callable[..., Any],
    given: tuple[Any, ...],
    operations: float = 0.0,
) -> Trial:
    made = _fields(reference(*given))
    return Trial(
        name,
        lambda: _fields(ours(*given)),
        lambda: _fields(reference(*given)),
        _bytes(given) + _bytes(made),
        operations,
    )


def _fields(made: Any) -> tuple[Tensor, ...]:
    if isinstance(made, Tensor):
        return (made,)
    if is_dataclass(made) and not isinstance(made, type):
        return tuple(getattr(made, field.name) for field in fields(made))
    return tuple(made)


def _bytes(given: Any) -> int:
    """Of all tensors in it, weights taken apart."""
    if isinstance(given, Tensor):
        return given.nbytes
    if isinstance(given, FP8 | NVFP4):
        return sum(_bytes(getattr(given, field.name)) for field in fields(given))
    return sum(map(_bytes, given)) if isinstance(given, tuple | list) else 0
