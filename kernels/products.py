"""How a kernel multiplies tiles of a weight in any format by tokens.

Per-channel and per-tensor scales are not in the tiles: they multiply the float32 result.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs
# ruff: noqa: N803, SIM109

from __future__ import annotations

from kernels.backend import INTERPRETED, constant, dot, jit, tl
from kernels.tiles import (
    NVFP4_BITS,
    NVFP4_DOT,
    PLAIN,
    byte_tile,
    e4m3_to_float16,
    nvfp4_tile,
    plain_tile,
    split_pairs,
)

_EMULATED = constant(INTERPRETED)  # the interpreter knows no block-scaled product of this kind


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
        first = _block_scaled_dot(tile, by, tokens, tokens_scale, first)
        if TWO:
            tile = byte_tile(at + rows * (columns // 2), inside, MASKED)
            by = byte_tile(at_scale + rows * (columns // 16), inside_scale, MASKED)
            second = _block_scaled_dot(tile, by, tokens, tokens_scale, second)
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
def _block_scaled_dot(weights, weights_scale, x, x_scale, total):
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
