"""Routed experts: each token passes through its top-k gated MLPs, summed by routing weight.

Three launches. `_gate_up` and `_down` give every (expert, block of output rows) to one program,
which walks over the expert's tokens in blocks: most experts fit in one block, so their weights are
read once, and how many tokens an expert has is read on the card. `_combine` adds a token's k parts
in their order, so that the same input gives the same bits.

A tile of weights is the left operand, the tokens the right one: 16 tokens fill an instruction that
wants 16 rows of the left operand (64 on Hopper) but no more than 8 columns of the right.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs
# ruff: noqa: N803, SIM109

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from kernels.backend import Card, card, ceil_div, jit, launch, tl, uses_kernels
from kernels.products import products, scaled
from kernels.router import sort_tokens_triton
from kernels.tiles import (
    NVFP4_BITS,
    NVFP4_DOT,
    PLAIN,
    Parts,
    inputs,
    parts,
    tile_of,
)
from kernels.weights import Weight, dequantise

# gelu_tanh(x) = x * (1 + tanh(x * (SLOPE + CURVE * x^2))) / 2
SLOPE = (2 / torch.pi) ** 0.5
CURVE = 0.044715 * SLOPE


def experts(x: Tensor, gate_up: Weight, down: Weight, index: Tensor, weight: Tensor) -> Tensor:
    """Sum over k of weight[n, k] * expert[index[n, k]](x[n]).

    `x` [N, H]; `gate_up` [E, 2I, H], gate rows first; `down` [E, H, I]; `index`, `weight` [N, K].
    Returns [N, H].
    """
    plain = [each for each in (gate_up, down) if isinstance(each, Tensor)]
    chosen = experts_triton if uses_kernels(x, weight, *plain) else experts_reference
    return chosen(x, gate_up, down, index, weight)


def gated_mlp(x: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    """down(gelu_tanh(gate(x)) * up(x)); `gate_up` [2I, H] holds gate rows first, `down` [H, I]."""
    gate, up = functional.linear(x, gate_up).chunk(2, dim=-1)
    return functional.linear(gelu(gate) * up, down)


def gelu(x: Tensor) -> Tensor:
    """The tanh form of GELU. Compiled, as x * sigmoid(2 * y) where it is x * (1 + tanh(y)) / 2: the
    sigmoid takes less than half as long as the tanh."""
    if not torch.compiler.is_compiling():
        return functional.gelu(x, approximate="tanh")
    wide = x.float()
    risen = torch.sigmoid(2 * wide * (SLOPE + CURVE * wide * wide))
    return (wide * risen).to(x.dtype)


def experts_reference(
    x: Tensor, gate_up: Weight, down: Weight, index: Tensor, weight: Tensor
) -> Tensor:
    """With few experts every token passes through all of them, with weight 0 where it is not
    routed: more arithmetic, but no gather, no data-dependent shape."""
    if not isinstance(gate_up, Tensor):
        gate_up = dequantise(gate_up, x.dtype)
    if not isinstance(down, Tensor):
        down = dequantise(down, x.dtype)
    experts, top_k = gate_up.shape[0], index.shape[1]
    if experts <= 2 * top_k:
        share = weight.new_zeros(x.shape[0], experts).scatter(1, index, weight).to(x.dtype)
        parts = [gated_mlp(x, gate_up[e], down[e]) * share[:, e : e + 1] for e in range(experts)]
        return torch.stack(parts).sum(0) if experts > 1 else parts[0]
    total = torch.zeros_like(x)
    for expert in index.unique().tolist():
        token, slot = torch.where(index == expert)
        part = gated_mlp(x[token], gate_up[expert], down[expert])
        total.index_add_(0, token, (part * weight[token, slot, None]).to(x.dtype))
    return total


def experts_triton(
    x: Tensor, gate_up: Weight, down: Weight, index: Tensor, weight: Tensor
) -> Tensor:
    count, _, hidden = gate_up.shape
    inner = down.shape[-1]
    rows, top_k = index.shape
    order = sort_tokens_triton(index, count)
    this = card(x.device)
    middle = torch.empty(rows * top_k, inner, dtype=x.dtype, device=x.device)
    given = parts(gate_up, this)
    read = inputs(x, given.format)
    tiles = Tiles.of(given, rows * top_k / count, hidden, this, two=True)
    launch(
        _gate_up,
        (ceil_div(inner, tiles.n), count),
        read.data,
        read.scale,
        read.row_scale,
        given.data,
        given.scale,
        given.tensor_scale,
        order.assignment,
        order.offset,
        middle,
        hidden,
        inner,
        TOP_K=top_k,
        **tiles.constants(inner, hidden, given.format),
        **tiles.options(),
    )
    apart = torch.empty(rows * top_k, hidden, dtype=x.dtype, device=x.device)
    given = parts(down, this)
    read = inputs(middle, given.format)
    tiles = Tiles.of(given, rows * top_k / count, inner, this)
    launch(
        _down,
        (ceil_div(hidden, tiles.n), count),
        read.data,
        read.scale,
        read.row_scale,
        given.data,
        given.scale,
        given.tensor_scale,
        order.assignment,
        order.offset,
        weight.contiguous(),
        apart,
        inner,
        hidden,
        **tiles.constants(hidden, inner, given.format),
        **tiles.options(),
    )
    out = torch.empty(rows, hidden, dtype=x.dtype, device=x.device)
    launch(_combine, (rows, ceil_div(hidden, 1024)), apart, out, hidden, TOP_K=top_k, BLOCK=1024)
    return out


@dataclass(frozen=True, slots=True)
class Tiles:
    """Sizes of one program's work: `n` rows of weights by `k` columns, `m` tokens at a time."""

    m: int
    n: int
    k: int
    num_warps: int
    num_stages: int

    @classmethod
    def of(
        cls, given: Parts, tokens: float, columns: int, card: Card, *, two: bool = False
    ) -> Tiles:
        """`tokens`: how many an expert has on average. Blocks of them are twice that, so that most
        experts need one. `two`: of the weights' matrices at a time."""
        most = 128 if given.scale is None else 64
        m = next((size for size in (16, 32, 64) if 2 * tokens <= size), most)
        n, k = tile_of(given.format, columns, card)
        stages = 4 if m <= 32 else 3
        if two and given.tensor_scale is not None and not card.pipelines_two_sums:
            stages = 1
        return cls(
            m=m,
            n=n,
            k=k,
            num_warps=4 if m <= 64 and n == 64 else 8,
            num_stages=stages,
        )

    def constants(self, rows: int, columns: int, format: int) -> dict[str, int | bool]:
        return {
            "FORMAT": format,
            "MASKED": bool(rows % self.n or columns % self.k),
            "BLOCK_M": self.m,
            "BLOCK_N": self.n,
            "BLOCK_K": self.k,
        }

    def options(self) -> dict[str, int]:
        return {"num_warps": self.num_warps, "num_stages": self.num_stages}


@jit
def _gate_up(
    x,
    x_scale,
    row_scale,
    data,
    scale,
    tensor_scale,
    assignment,
    offset,
    out,
    hidden,
    inner,
    TOP_K: tl.constexpr,
    FORMAT: tl.constexpr,
    MASKED: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """out[i] = gelu_tanh(gate(token)) * up(token) for each assignment i in the experts' order."""
    row = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    expert = tl.program_id(1).to(tl.int64)
    begin = tl.load(offset + expert)
    end = tl.load(offset + expert + 1)
    if FORMAT == NVFP4_BITS or FORMAT == NVFP4_DOT:
        data += expert * 2 * inner * (hidden // 2)
        scale += expert * 2 * inner * (hidden // 16)
        tensor_scale += expert * 2
    else:
        data += expert * 2 * inner * hidden
        if FORMAT != PLAIN:
            scale += expert * 2 * inner
    for start in range(begin, end, BLOCK_M):
        at = start + tl.arange(0, BLOCK_M)
        # Beyond the end any token will do: its result is not stored.
        token = tl.load(assignment + tl.minimum(at, end - 1)) // TOP_K
        zeros = tl.zeros([BLOCK_N, BLOCK_M], dtype=tl.float32)
        gate, up = products(
            zeros,
            zeros,
            x,
            x_scale,
            token,
            data,
            scale,
            row,
            inner,
            hidden,
            FORMAT,
            MASKED,
            True,
            BLOCK_N,
            BLOCK_K,
        )
        gate = scaled(gate, scale, tensor_scale, row_scale, token, row, inner, inner, FORMAT)
        below = row + inner
        up = scaled(up, scale, tensor_scale, row_scale, token, below, 2 * inner, inner, FORMAT)
        bent = 1.5957691216057308 * (gate + 0.044715 * gate * gate * gate)  # 2 sqrt(2 / pi)
        made = gate * tl.sigmoid(bent) * up
        tl.store(
            out + at[None, :].to(tl.int64) * inner + row[:, None],
            made.to(out.dtype.element_ty),
            mask=(at < end)[None, :] & (row < inner)[:, None],
        )


@jit
def _down(
    x,
    x_scale,
    row_scale,
    data,
    scale,
    tensor_scale,
    assignment,
    offset,
    weight,
    out,
    inner,
    hidden,
    FORMAT: tl.constexpr,
    MASKED: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """out[assignment] = weight[assignment] * down(x[i]), `x` in the experts' order."""
    row = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    expert = tl.program_id(1).to(tl.int64)
    begin = tl.load(offset + expert)
    end = tl.load(offset + expert + 1)
    if FORMAT == NVFP4_BITS or FORMAT == NVFP4_DOT:
        data += expert * hidden * (inner // 2)
        scale += expert * hidden * (inner // 16)
        tensor_scale += expert
    else:
        data += expert * hidden * inner
        if FORMAT != PLAIN:
            scale += expert * hidden
    for start in range(begin, end, BLOCK_M):
        at = start + tl.arange(0, BLOCK_M)
        from_row = tl.minimum(at, end - 1)
        zeros = tl.zeros([BLOCK_N, BLOCK_M], dtype=tl.float32)
        total, _ = products(
            zeros,
            zeros,
            x,
            x_scale,
            from_row,
            data,
            scale,
            row,
            hidden,
            inner,
            FORMAT,
            MASKED,
            False,
            BLOCK_N,
            BLOCK_K,
        )
        total = scaled(total, scale, tensor_scale, row_scale, from_row, row, hidden, hidden, FORMAT)
        to = tl.load(assignment + from_row)
        total *= tl.load(weight + to).to(tl.float32)[None, :]
        tl.store(
            out + to[None, :].to(tl.int64) * hidden + row[:, None],
            total.to(out.dtype.element_ty),
            mask=(at < end)[None, :] & (row < hidden)[:, None],
        )


@jit
def _combine(apart, out, hidden, TOP_K: tl.constexpr, BLOCK: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < hidden
    total = tl.zeros([BLOCK], dtype=tl.float32)
    for slot in tl.static_range(TOP_K):
        part = tl.load(apart + (token * TOP_K + slot) * hidden + at, mask=inside, other=0.0)
        total += part.to(tl.float32)
    tl.store(out + token * hidden + at, total.to(out.dtype.element_ty), mask=inside)
