"""Between the one long row of tokens of a pass and the sequences that attention reads."""

from __future__ import annotations

from torch import Tensor


def to_heads(x: Tensor, rows: int = 1) -> Tensor:
    """[rows * T, heads, D] -> [rows, heads, T, D]"""
    apart: Tensor = x.unflatten(0, (rows, -1))
    return apart.transpose(1, 2)


def from_heads(x: Tensor) -> Tensor:
    """[rows, heads, T, D] -> [rows * T, heads, D]"""
    return x.transpose(1, 2).flatten(0, 1)


__all__ = ["from_heads", "to_heads"]
