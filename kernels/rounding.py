"""Inputs rounded to NVFP4, for tensor cores that multiply it: a scale per row, and per 16 columns.

The row's scale plays the part of a weight's scale per tensor, and comes from the row itself: no
outlier of another token, and no calibration, decides about it.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs
# ruff: noqa: N803

from __future__ import annotations

import torch
from torch import Tensor

from kernels.backend import jit, launch, power_of_two, tl
from kernels.weights import GROUP, NVFP4, quantise_nvfp4


def round_rows_reference(x: Tensor) -> NVFP4:
    """`x` [M, K] with a `tensor_scale` per row, [M]."""
    return quantise_nvfp4(x, tensors=x.shape[0])


def round_rows_triton(x: Tensor) -> NVFP4:
    rows, size = x.shape
    device = x.device
    data = torch.empty(rows, size // 2, dtype=torch.uint8, device=device)
    scale = torch.empty(rows, size // GROUP, dtype=torch.uint8, device=device)
    row_scale = torch.empty(rows, dtype=torch.float32, device=device)
    block = power_of_two(size)
    launch(_round_rows, (rows,), x.contiguous(), data, scale, row_scale, size, BLOCK=block)
    return NVFP4(data, scale.view(torch.float8_e4m3fn), row_scale)


@jit
def _round_rows(x, data, scale, row_scale, size, BLOCK: tl.constexpr):
    """One row; groups of 16 columns as 8 pairs, for two values share a byte."""
    row = tl.program_id(0).to(tl.int64)
    group = tl.arange(0, BLOCK // 16)
    pair = group[:, None] * 8 + tl.arange(0, 8)[None, :]
    inside = group < size // 16
    at = x + row * size + 2 * pair
    even = tl.load(at, mask=inside[:, None], other=0.0).to(tl.float32)
    odd = tl.load(at + 1, mask=inside[:, None], other=0.0).to(tl.float32)
    most = tl.max(tl.maximum(tl.abs(even), tl.abs(odd)), axis=1)
    by_row = tl.maximum(tl.max(most, axis=0) / 2688.0, 7.888609052210118e-31)  # 6 * 448; 2^-100
    by_group = tl.minimum(tl.maximum(most / by_row / 6.0, 0.001953125), 448.0)  # 2^-9, E4M3's least
    bits = _e4m3_bits(by_group)
    by = _e4m3_value(bits)[:, None]
    byte = _e2m1_code(even / by_row / by) | (_e2m1_code(odd / by_row / by) << 4)
    tl.store(data + row * (size // 2) + pair, byte.to(tl.uint8), mask=inside[:, None])
    tl.store(scale + row * (size // 16) + group, bits.to(tl.uint8), mask=inside)
    tl.store(row_scale + row, by_row)


@jit
def _e4m3_bits(x):
    """Nearest E4M3 of float32 from 2^-9 to 448, ties to even: what float32 has below the last bit
    that E4M3 keeps is rounded away by adding a number so large that it does not fit."""
    exponent = ((x.to(tl.int32, bitcast=True) >> 23) & 0xFF) - 127
    exponent = tl.maximum(exponent, -6)  # subnormal below
    last = ((exponent - 3 + 127) << 23).to(tl.float32, bitcast=True)  # worth of the last bit
    whole = x / last + 8388608.0 - 8388608.0  # 2^23: 8 to 16, or below 8 where subnormal
    return (exponent + 6) * 8 + whole.to(tl.int32)


@jit
def _e4m3_value(bits):
    exponent = tl.maximum(bits >> 3, 1)
    whole = tl.where(bits >= 8, (bits & 7) + 8, bits)
    return whole.to(tl.float32) * ((exponent - 10 + 127) << 23).to(tl.float32, bitcast=True)


@jit
def _e2m1_code(x):
    """Nearest E2M1, ties to the even code (as `pack_e2m1`)."""
    size = tl.abs(x)
    code = (size > 0.25).to(tl.int32) + (size >= 0.75).to(tl.int32) + (size > 1.25).to(tl.int32)
    code += (size >= 1.75).to(tl.int32) + (size > 2.5).to(tl.int32) + (size >= 3.5).to(tl.int32)
    code += (size > 5.0).to(tl.int32)
    return code | ((x < 0).to(tl.int32) << 3)
