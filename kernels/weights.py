"""Weight formats, and how a kernel turns a tile of them into bfloat16 in registers.

Each format keeps rows of a matrix [.., N, K] whole, so that a tile is read as it lies. Per-channel
and per-tensor scales are not in the tiles: they multiply the float32 result.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs
# ruff: noqa: N803

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kernels.backend import INTERPRETED, Card, constant, jit, tl

E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)  # by the low three bits; the fourth is the sign
GROUP = 16  # columns that share an E4M3 scale

# What a kernel's FORMAT says.
PLAIN = constant(0)
FP8_CAST = constant(1)  # E4M3, which the card converts
FP8_BITS = constant(2)  # E4M3 as bytes, converted by moving bits
NVFP4_BITS = constant(3)

_WIDEN = constant(INTERPRETED)  # the interpreter multiplies bfloat16 as if it were integers


@dataclass(frozen=True, slots=True)
class FP8:
    """E4M3 with a scale per output channel: weight = data * scale[.., None].

    `data` [.., N, K] float8_e4m3fn, `scale` [.., N] float32.
    """

    data: Tensor
    scale: Tensor

    def __post_init__(self) -> None:
        if self.data.dtype != torch.float8_e4m3fn or self.scale.dtype != torch.float32:
            raise ValueError(f"FP8 of {self.data.dtype} with scales of {self.scale.dtype}")
        if self.scale.shape != self.data.shape[:-1]:
            raise ValueError(f"{list(self.scale.shape)} scales for {list(self.data.shape)} weights")

    @property
    def shape(self) -> torch.Size:
        return self.data.shape


@dataclass(frozen=True, slots=True)
class NVFP4:
    """Two E2M1 a byte, the even column in the low bits, an E4M3 scale per 16 columns, and float32
    scales per tensor: weight = e2m1 * scale * tensor_scale.

    `data` [.., N, K / 2] uint8, `scale` [.., N, K / 16] float8_e4m3fn. `tensor_scale` [.., G]:
    where G checkpoint tensors were stacked along N (gate, then up), each has its own.
    """

    data: Tensor
    scale: Tensor
    tensor_scale: Tensor

    def __post_init__(self) -> None:
        dtypes = (self.data.dtype, self.scale.dtype, self.tensor_scale.dtype)
        if dtypes != (torch.uint8, torch.float8_e4m3fn, torch.float32):
            raise ValueError(f"NVFP4 of {dtypes}")
        *lead, rows, half = self.data.shape
        if 2 * half % GROUP or list(self.scale.shape) != [*lead, rows, 2 * half // GROUP]:
            raise ValueError(f"{list(self.scale.shape)} scales for {list(self.data.shape)} bytes")
        if list(self.tensor_scale.shape[:-1]) != lead or rows % self.tensor_scale.shape[-1]:
            raise ValueError(f"{list(self.tensor_scale.shape)} tensor scales for {rows} rows")

    @property
    def shape(self) -> torch.Size:
        return torch.Size((*self.data.shape[:-1], 2 * self.data.shape[-1]))


Weight = Tensor | FP8 | NVFP4


def dequantise(weight: Weight, dtype: torch.dtype) -> Tensor:
    """The matrix [.., N, K] that `weight` stands for, scaled in float32, rounded to `dtype`."""
    if isinstance(weight, Tensor):
        return weight.to(dtype)
    if isinstance(weight, FP8):
        return (weight.data.float() * weight.scale[..., None]).to(dtype)
    table = torch.tensor((*E2M1, *(-value for value in E2M1)), device=weight.data.device)
    codes = torch.stack((weight.data & 15, weight.data >> 4), dim=-1).flatten(-2)
    grouped = table[codes.long()].unflatten(-1, (-1, GROUP)) * weight.scale.float()[..., None]
    by_tensor = weight.tensor_scale.repeat_interleave(
        weight.shape[-2] // weight.tensor_scale.shape[-1], dim=-1
    )
    whole: Tensor = grouped.flatten(-2) * by_tensor[..., None]
    return whole.to(dtype)


def quantise_fp8(weight: Tensor) -> FP8:
    scale = (weight.float().abs().amax(dim=-1) / 448).clamp_min(2**-40)
    return FP8((weight.float() / scale[..., None]).to(torch.float8_e4m3fn), scale)


def quantise_nvfp4(weight: Tensor, tensors: int = 1) -> NVFP4:
    """As modelopt does it (facts: section 3.1), `tensors` stacked along N scaled on their own."""
    stacked = weight.float().unflatten(-2, (tensors, -1))
    by_tensor = (stacked.abs().amax(dim=(-2, -1)) / (6 * 448)).clamp_min(2**-100)
    groups = (stacked / by_tensor[..., None, None]).flatten(-3, -2).unflatten(-1, (-1, GROUP))
    scale = groups.abs().amax(dim=-1) / 6
    rounded = scale.clamp(2**-9, 448).to(torch.float8_e4m3fn)
    values = groups / rounded.float()[..., None]
    return NVFP4(pack_e2m1(values.flatten(-2)), rounded, by_tensor)


def pack_e2m1(values: Tensor) -> Tensor:
    """Nearest E2M1 of `values` [.., K], ties to the even code, two a byte: [.., K / 2] uint8."""
    # Boundaries between codes; on a tie the code with an even mantissa bit wins.
    size = values.abs()
    code = torch.zeros_like(size, dtype=torch.uint8)
    for step, bound in enumerate((0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0)):
        code += (size >= bound if step % 2 else size > bound).to(torch.uint8)
    code |= (values < 0).to(torch.uint8) << 3
    return code[..., 0::2] | (code[..., 1::2] << 4)


@dataclass(frozen=True, slots=True)
class Parts:
    """A weight as kernels take it: `data`, a scale or None, a scale per tensor or None."""

    data: Tensor
    scale: Tensor | None
    tensor_scale: Tensor | None
    format: int


def parts(weight: Weight, card: Card) -> Parts:
    if isinstance(weight, Tensor):
        return Parts(weight, None, None, _number(PLAIN))
    if isinstance(weight, NVFP4):
        scale = weight.scale.view(torch.uint8)
        return Parts(weight.data, scale, weight.tensor_scale, _number(NVFP4_BITS))
    if card.has_fp8:
        return Parts(weight.data, weight.scale, None, _number(FP8_CAST))
    return Parts(weight.data.view(torch.uint8), weight.scale, None, _number(FP8_BITS))


def pairs(x: Tensor, format: int) -> Tensor:
    """`x` [.., K] as its FORMAT reads it: NVFP4 wants the even and the odd columns apart, and gets
    both from one int32."""
    return x.contiguous().view(torch.int32) if format == _number(NVFP4_BITS) else x.contiguous()


def _number(constant: Any) -> int:
    return int(getattr(constant, "value", constant))


@jit
def e4m3_to_float16(bits):
    """Exact, subnormals too: the exponent moves under float16's bias, 8 above. NaN becomes 480."""
    wide = bits.to(tl.uint16)
    moved = ((wide & 0x80) << 8) | ((wide & 0x7F) << 7)
    return moved.to(tl.float16, bitcast=True) * 256.0


@jit
def plain_tile(data, mask, MASKED: tl.constexpr, FORMAT: tl.constexpr):
    """The tile behind pointers `data`, in bfloat16 (PLAIN: as it is)."""
    if MASKED:
        if FORMAT == FP8_BITS:
            tile = tl.load(data, mask=mask, other=0)
        else:
            tile = tl.load(data, mask=mask, other=0.0)
    else:
        tile = tl.load(data)
    if FORMAT == FP8_BITS:
        tile = e4m3_to_float16(tile).to(tl.bfloat16)
    elif FORMAT == FP8_CAST:
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
    if MASKED:
        byte = tl.load(data, mask=mask[:, :, None], other=0).to(tl.uint16)
        by = tl.load(scale, mask=mask, other=0)
    else:
        byte = tl.load(data).to(tl.uint16)
        by = tl.load(scale)
    by = (e4m3_to_float16(by) * 128.0)[:, :, None]
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
def _dot(weights, tokens, total):
    """total [N, M] + weights [N, K] @ tokens [M, K]^T."""
    if _WIDEN:
        weights = weights.to(tl.float32)
        tokens = tokens.to(tl.float32)
    return tl.dot(weights, tl.trans(tokens), total, input_precision="ieee")


@jit
def products(
    first,
    second,
    x,
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
    """first [BLOCK_N, M] + weights [row] @ tokens^T and, with TWO, the same of the matrix whose
    rows follow (`second` + weights [row + rows] @ tokens^T): the tokens are read once for both.

    `x` [M] points to the first column of each token (of pairs, with NVFP4), `data` and `scale` to
    the first row of a matrix [rows, columns], `row` [BLOCK_N] are rows of it. MASKED: they may be
    beyond the last one, or `columns` is no multiple of BLOCK_K.
    """
    if FORMAT == NVFP4_BITS:
        half: tl.constexpr = BLOCK_K // 2
        group = tl.arange(0, BLOCK_K // 16)
        pair = tl.arange(0, half)
        lies = group[:, None] * 8 + tl.arange(0, 8)[None, :]
        near = data + row[:, None, None] * (columns // 2) + lies[None, :, :]
        near_scale = scale + row[:, None] * (columns // 16) + group[None, :]
        for start in range(0, columns // 2, half):
            if MASKED:
                inside = (start + pair < columns // 2)[None, :]
                both = tl.load(x[:, None] + start + pair[None, :], mask=inside, other=0)
            else:
                both = tl.load(x[:, None] + start + pair[None, :])
            even_x, odd_x = split_pairs(both)
            mask = (row < rows)[:, None] & (start // 8 + group < columns // 16)[None, :]
            at = near + start
            at_scale = near_scale + start // 8
            even, odd = nvfp4_tile(at, at_scale, mask, MASKED, BLOCK_N, half)
            first = _dot(even, even_x, first)
            first = _dot(odd, odd_x, first)
            if TWO:
                at += rows * (columns // 2)
                at_scale += rows * (columns // 16)
                even, odd = nvfp4_tile(at, at_scale, mask, MASKED, BLOCK_N, half)
                second = _dot(even, even_x, second)
                second = _dot(odd, odd_x, second)
    else:
        column = tl.arange(0, BLOCK_K)
        near = data + row[:, None] * columns + column[None, :]
        for start in range(0, columns, BLOCK_K):
            if MASKED:
                inside = (start + column < columns)[None, :]
                tokens = tl.load(x[:, None] + start + column[None, :], mask=inside, other=0.0)
            else:
                tokens = tl.load(x[:, None] + start + column[None, :])
            mask = (row < rows)[:, None] & (start + column < columns)[None, :]
            at = near + start
            first = _dot(plain_tile(at, mask, MASKED, FORMAT), tokens, first)
            if TWO:
                at += rows * columns
                second = _dot(plain_tile(at, mask, MASKED, FORMAT), tokens, second)
    return first, second


@jit
def scaled(total, scale, tensor_scale, row, rows, FORMAT: tl.constexpr):
    """total [N, M] times the scales that are not in the tiles: `scale` [row], or one per tensor."""
    if FORMAT == NVFP4_BITS:
        total *= tl.load(tensor_scale) * 128.0  # 2^7 that nvfp4_tile left to us
    elif FORMAT != PLAIN:
        total *= tl.load(scale + row, mask=row < rows, other=0.0)[:, None]
    return total
