"""How near a kernel has to come."""

from __future__ import annotations

import torch
from torch import Tensor

# The interpreter cuts off where a card rounds to bfloat16, which doubles each rounding's error.
BFLOAT16 = 2**-6


def assert_close(out: Tensor, reference: Tensor, oracle: Tensor) -> None:
    """`out`, in bfloat16, is as near to the float64 `oracle` as its roundings allow, relative to
    the largest entry, and to the `reference`, which has roundings of its own."""
    assert out.dtype == reference.dtype
    assert out.shape == reference.shape == oracle.shape
    if not out.numel():
        return
    size = oracle.abs().max().clamp_min(1e-6)
    torch.testing.assert_close(out.double() / size, oracle / size, rtol=0, atol=BFLOAT16)
    torch.testing.assert_close(
        out.double() / size, reference.double() / size, rtol=0, atol=2 * BFLOAT16
    )
