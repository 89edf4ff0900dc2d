"""Philox 4x32-10, the generator that `tl.rand` is, in plain torch: a seed and a place give a number
on any device."""

from __future__ import annotations

import torch
from torch import Tensor

_LOW = 0xFFFFFFFF


def random_bits(seed: int | Tensor, offset: Tensor) -> Tensor:
    """The first of the four words at `offset` (below 2^32), in int64."""
    seed = int(seed)
    words = [offset.long() & _LOW, *(torch.zeros_like(offset, dtype=torch.int64),) * 3]
    keys = [seed & _LOW, (seed >> 32) & _LOW]
    for _ in range(10):
        high, low = zip(*(_multiply(words[at], by) for at, by in _FACTORS), strict=True)
        words = [high[1] ^ words[1] ^ keys[0], low[1], high[0] ^ words[3] ^ keys[1], low[0]]
        keys = [(keys[0] + 0x9E3779B9) & _LOW, (keys[1] + 0xBB67AE85) & _LOW]
    return words[0]


def random_uniform(seed: int | Tensor, offset: Tensor) -> Tensor:
    """In [0, 1), float32, as `tl.rand` makes it of the bits."""
    bits = random_bits(seed, offset)
    signed = torch.where(bits >= 2**31, bits - 2**32, bits)
    return torch.where(signed < 0, -signed - 1, signed).float() * 4.6566127342e-10


_FACTORS = ((0, 0xD2511F53), (2, 0xCD9E8D57))


def _multiply(x: Tensor, by: int) -> tuple[Tensor, Tensor]:
    """High and low word of the product of two 32-bit words, without leaving int64."""
    upper, lower = (x >> 16) * by, (x & 0xFFFF) * by
    low = ((upper & 0xFFFF) << 16) + (lower & _LOW)
    return (upper >> 16) + (lower >> 32) + (low >> 32), low & _LOW
