"""Which form a kernel takes a weight in, and how it reads a tile of one.

NVFP4 has two ways: dequantised in registers, on every card; or multiplied as it lies by tokens that
are NVFP4 too (see kernels/rounding.py), on cards whose tensor cores do that.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs
# ruff: noqa: N803

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kernels.backend import Card, constant, jit, tl
from kernels.rounding import round_rows_triton
from kernels.weights import NVFP4, Weight

# What a kernel's FORMAT says.
PLAIN = constant(0)
FP8_CAST = constant(1)  # E4M3, which the card converts
FP8_BITS = constant(2)  # E4M3 as bytes, converted by moving bits
NVFP4_BITS = constant(3)  # dequantised by moving bits
NVFP4_DOT = constant(4)  # multiplied by the tensor cores


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
