"""How a kernel reads a tile of a weight in any format and multiplies it by tokens.

Per-channel and per-tensor scales are not in the tiles: they multiply the float32 result. NVFP4 has
two ways: dequantised in registers, on every card; or multiplied as it lies by tokens that are NVFP4
too (see kernels/rounding.py), on cards whose tensor cores do that.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs
# ruff: noqa: N803, SIM109

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kernels.backend import INTERPRETED, Card, constant, dot, jit, tl
from kernels.rounding import round_rows_triton
from kernels.weights import NVFP4, Weight

# What a kernel's FORMAT says.
PLAIN = constant(0)
FP8_CAST = constant(1)  # E4M3, which the card converts
FP8_BITS = constant(2)  # E4M3 as bytes, converted by moving bits
NVFP4_BITS = constant(3)  # dequantised by moving bits
NVFP4_DOT = constant(4)  # multiplied by the tensor cores

_EMULATED = constant(INTERPRETED)  # the interpreter knows no block-scaled product of this kind


@dataclass(frozen=True, slots=True)
class Parts:
    """A weight as kernels take it: `data`, a scale or None, a scale per tensor or None."""

    data: Tensor
    scale: Tensor | None
    tensor_scale: Tensor | None
    format: int


@dataclass(frozen=True, slots=True)
class Inputs:
    """Rows [M, K] as a FORMAT reads them: in pairs of columns (NVFP4_BITS), or as E2M1 with their
    scales per 16 columns and per row (NVFP4_DOT)."""

    data: Tensor
    scale: Tensor | None = None
    row_scale: Tensor | None = None


def parts(weight: Weight, card: Card) -> Parts:
    if isinstance(weight, Tensor):
        return Parts(weight, None, None, _number(PLAIN))
    if isinstance(weight, NVFP4):
        native = card.has_fp4 and weight.rounds_inputs
        scale = weight.scale.view(torch.uint8)
        format = _number(NVFP4_DOT if native else NVFP4_BITS)
        return Parts(weight.data, scale, weight.tensor_scale, format)
    if card.has_fp8:
        return Parts(weight.data, weight.scale, None, _number(FP8_CAST))
    return Parts(weight.data.view(torch.uint8), weight.scale, None, _number(FP8_BITS))


def inputs(x: Tensor, format: int) -> Inputs:
    """`x` [M, K] for weights of `format`."""
    if format == _number(NVFP4_DOT):
        rounded = round_rows_triton(x)
        return Inputs(rounded.data, rounded.scale.view(torch.uint8), rounded.tensor_scale)
    if format == _number(NVFP4_BITS):  # the even and the odd columns apart: both from one int32
        return Inputs(x.contiguous().view(torch.int32))
    return Inputs(x.contiguous())


def tile_of(format: int, columns: int, card: Card) -> tuple[int, int]:
    """Rows and columns of weights in a tile.

    64 columns divide both 2816 and 704, and a dequantised tile of more does not fit in the
    registers; E2M1 that stays E2M1 takes few. Data-centre Blackwell multiplies block-scaled tiles
    of 128 rows, and falls back to bfloat16 below.
    """
    if format != _number(NVFP4_DOT):
        return 64, 64
    if card.capability < 120:
        return 128, 64
    return 64, 64 if columns % 128 else 128


def _number(constant: Any) -> int:
    return int(getattr(constant, "value", constant))


@jit
def e4m3_to_float16(bits):
    """Exact, subnormals too: the exponent moves under float16's bias, 8 above. NaN becomes 480."""
    wide = bits.to(tl.uint16)
    moved = ((wide & 0x80) << 8) | ((wide & 0x7F) << 7)
    return moved.to(tl.float16, bitcast=True) * 256.0


@jit
def byte_tile(data, mask, MASKED: tl.constexpr):
    """The tile of whole numbers behind pointers `data`."""
    if MASKED:
        tile = tl.load(data, mask=mask, other=0)
    else:
        tile = tl.load(data)
    return tile


@jit
def plain_tile(data, mask, MASKED: tl.constexpr, FORMAT: tl.constexpr):
    """The tile behind pointers `data`, in bfloat16 (PLAIN: as it is)."""
    if FORMAT == FP8_BITS:
        tile = e4m3_to_float16(byte_tile(data, mask, MASKED)).to(tl.bfloat16)
    else:
        if MASKED:
            tile = tl.load(data, mask=mask, other=0.0)
        else:
            tile = tl.load(data)
        if FORMAT == FP8_CAST:
            tile = tile.to(tl.bfloat16)
    return tile


@jit
def nvfp4_tile(data, scale, mask, MASKED: tl.constexpr, BLOCK_N: tl.constexpr, HALF: tl.constexpr):
    """Even and odd columns, [BLOCK_N, K / 2] bfloat16 each, of the tile behind pointers `data`
    [BLOCK_N, K / 16, 8] and `scale` [BLOCK_N, K / 16], times 2^-7; `mask` is of scales.

    E2M1 times E4M3 has at most six significant bits: exact in float16, and in bfloat16. E2M1 bits
    put into float16's place are 2^-14 of their value; of that the scale takes back 2^7 (all of it
    would overflow), `scaled` the rest.
    """
    byte = byte_tile(data, mask[:, :, None], MASKED).to(tl.uint16)
    by = (e4m3_to_float16(byte_tile(scale, mask, MASKED)) * 128.0)[:, :, None]
    even = ((byte & 0x08) << 12) | ((byte & 0x07) << 9)
    odd = ((byte & 0x80) << 8) | ((byte & 0x70) << 5)
    even = (even.to(tl.float16, bitcast=True) * by).to(tl.bfloat16)
    odd = (odd.to(tl.float16, bitcast=True) * by).to(tl.bfloat16)
    return tl.reshape(even, [BLOCK_N, HALF]), tl.reshape(odd, [BLOCK_N, HALF])


@jit
def split_pairs(both):
    """Even and odd columns in bfloat16 of pairs read as int32."""
    even = (both & 0xFFFF).to(tl.uint16).to(tl.bfloat16, bitcast=True)
    odd = ((both >> 16) & 0xFFFF).to(tl.uint16).to(tl.bfloat16, bitcast=True)
    return even, odd


@jit
def block_scaled_dot(weights, weights_scale, x, x_scale, total):
    """total [N, M] + weights [N, K] @ x [M, K]^T: E2M1, two a byte; scales are bytes of E4M3."""
    if _EMULATED:
        for nibble in tl.static_range(2):
            left = _e2m1_columns(weights, weights_scale, nibble)
            total = dot(left, tl.trans(_e2m1_columns(x, x_scale, nibble)), total)
    else:
        weights_scale = weights_scale.to(tl.float8e4nv, bitcast=True)
        x_scale = x_scale.to(tl.float8e4nv, bitcast=True)
        total = tl.dot_scaled(weights, weights_scale, "e2m1", tl.trans(x), x_scale, "e2m1", total)
    return total


@jit
def _e2m1_columns(data, scale, NIBBLE: tl.constexpr):
    """The even columns of bytes [R, K / 2] with scales [R, K / 16], or with NIBBLE the odd ones."""
    code = (data >> (4 * NIBBLE)).to(tl.uint16)
    value = (((code & 0x08) << 12) | ((code & 0x07) << 9)).to(tl.float16, bitcast=True)
    value = value.to(tl.float32) * 16384.0
    by = e4m3_to_float16(scale).to(tl.float32)
    grouped = tl.reshape(value, [by.shape[0], by.shape[1], 8]) * by[:, :, None]
    return tl.reshape(grouped, [data.shape[0], data.shape[1]])


@jit
def products(
    first,
    second,
    x,
    x_scale,
    token,
    data,
    scale,
    row,
    rows,
    columns,
    FORMAT: tl.constexpr,
    MASKED: tl.constexpr,
    TWO: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """first [BLOCK_N, M] + weights [row] @ x [token]^T and, with TWO, the same of the matrix whose
    rows follow (`second` + weights [row + rows] @ x [token]^T): tokens are read once for both.

    `x` and `x_scale` are Inputs, `data` and `scale` point to the first row of a matrix
    [rows, columns], `row` [BLOCK_N] are rows of it. MASKED: they may be beyond the last one, or
    `columns` is no multiple of BLOCK_K.
    """
    token = token.to(tl.int64)
    if FORMAT == NVFP4_DOT:
        first, second = _block_scaled_products(
            first, second, x, x_scale, token, data, scale, row, rows, columns, MASKED, TWO, BLOCK_K
        )
    elif FORMAT == NVFP4_BITS:
        first, second = _nvfp4_products(
            first, second, x, token, data, scale, row, rows, columns, MASKED, TWO, BLOCK_N, BLOCK_K
        )
    else:
        first, second = _plain_products(
            first, second, x, token, data, row, rows, columns, FORMAT, MASKED, TWO, BLOCK_K
        )
    return first, second


@jit
def _block_scaled_products(
    first,
    second,
    x,
    x_scale,
    token,
    data,
    scale,
    row,
    rows,
    columns,
    MASKED: tl.constexpr,
    TWO: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """`products` of E2M1 by E2M1."""
    is_row = (row < rows)[:, None]
    half: tl.constexpr = BLOCK_K // 2
    byte = tl.arange(0, half)
    group = tl.arange(0, BLOCK_K // 16)
    near = data + row[:, None] * (columns // 2) + byte[None, :]
    near_scale = scale + row[:, None] * (columns // 16) + group[None, :]
    near_x = x + token[:, None] * (columns // 2) + byte[None, :]
    near_x_scale = x_scale + token[:, None] * (columns // 16) + group[None, :]
    for start in range(0, columns // 2, half):
        inside = (start + byte < columns // 2)[None, :]
        inside_scale = (start // 8 + group < columns // 16)[None, :]
        tokens = byte_tile(near_x + start, inside, MASKED)
        tokens_scale = byte_tile(near_x_scale + start // 8, inside_scale, MASKED)
        inside = is_row & inside
        inside_scale = is_row & inside_scale
        at = near + start
        at_scale = near_scale + start // 8
        tile = byte_tile(at, inside, MASKED)
        by = byte_tile(at_scale, inside_scale, MASKED)
        first = block_scaled_dot(tile, by, tokens, tokens_scale, first)
        if TWO:
            tile = byte_tile(at + rows * (columns // 2), inside, MASKED)
            by = byte_tile(at_scale + rows * (columns // 16), inside_scale, MASKED)
            second = block_scaled_dot(tile, by, tokens, tokens_scale, second)
    return first, second


@jit
def _nvfp4_products(
    first,
    second,
    x,
    token,
    data,
    scale,
    row,
    rows,
    columns,
    MASKED: tl.constexpr,
    TWO: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """`products` of NVFP4 dequantised, by tokens in pairs of columns."""
    is_row = (row < rows)[:, None]
    half: tl.constexpr = BLOCK_K // 2
    group = tl.arange(0, BLOCK_K // 16)
    pair = tl.arange(0, half)
    lies = group[:, None] * 8 + tl.arange(0, 8)[None, :]
    near = data + row[:, None, None] * (columns // 2) + lies[None, :, :]
    near_scale = scale + row[:, None] * (columns // 16) + group[None, :]
    near_x = x + token[:, None] * (columns // 2) + pair[None, :]
    for start in range(0, columns // 2, half):
        both = byte_tile(near_x + start, (start + pair < columns // 2)[None, :], MASKED)
        even_x, odd_x = split_pairs(both)
        mask = is_row & (start // 8 + group < columns // 16)[None, :]
        at = near + start
        at_scale = near_scale + start // 8
        even, odd = nvfp4_tile(at, at_scale, mask, MASKED, BLOCK_N, half)
        first = dot(even, tl.trans(even_x), first)
        first = dot(odd, tl.trans(odd_x), first)
        if TWO:
            at += rows * (columns // 2)
            at_scale += rows * (columns // 16)
            even, odd = nvfp4_tile(at, at_scale, mask, MASKED, BLOCK_N, half)
            second = dot(even, tl.trans(even_x), second)
            second = dot(odd, tl.trans(odd_x), second)
    return first, second


@jit
def _plain_products(
    first,
    second,
    x,
    token,
    data,
    row,
    rows,
    columns,
    FORMAT: tl.constexpr,
    MASKED: tl.constexpr,
    TWO: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """`products` of a format with a value in each place."""
    is_row = (row < rows)[:, None]
    column = tl.arange(0, BLOCK_K)
    near = data + row[:, None] * columns + column[None, :]
    near_x = x + token[:, None] * columns + column[None, :]
    for start in range(0, columns, BLOCK_K):
        inside = (start + column < columns)[None, :]
        tokens = plain_tile(near_x + start, inside, MASKED, PLAIN)
        at = near + start
        first = dot(plain_tile(at, is_row & inside, MASKED, FORMAT), tl.trans(tokens), first)
        if TWO:
            at += rows * columns
            tile = plain_tile(at, is_row & inside, MASKED, FORMAT)
            second = dot(tile, tl.trans(tokens), second)
    return first, second


@jit
def scaled(
    total, scale, tensor_scale, row_scale, token, row, rows, per_tensor, FORMAT: tl.constexpr
):
    """total [N, M] times the scales that are not in the tiles: a weight's, per row or per tensor of
    `per_tensor` rows, and with NVFP4_DOT a token's."""
    if FORMAT == NVFP4_BITS or FORMAT == NVFP4_DOT:
        by = tl.load(tensor_scale + row // per_tensor, mask=row < rows, other=0.0)
        if FORMAT == NVFP4_BITS:
            by *= 128.0  # 2^7 that nvfp4_tile left to us
        else:
            total *= tl.load(row_scale + token)[None, :]
        total *= by[:, None]
    elif FORMAT != PLAIN:
        total *= tl.load(scale + row, mask=row < rows, other=0.0)[:, None]
    return total
