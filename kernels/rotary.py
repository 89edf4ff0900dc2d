"""Rotary position embedding, split-half layout, default and proportional."""

from __future__ import annotations

import torch
from torch import Tensor


def rotary_frequencies(head_dim: int, theta: float, rotated: float = 1.0) -> Tensor:
    """Inverse frequencies, [head_dim / 2] in float32.

    `rotated` is the share of dimensions that turn (Gemma 4's "proportional" RoPE): the others get
    frequency 0, while the exponent keeps the whole `head_dim` as its denominator.
    """
    angles = int(rotated * head_dim // 2)
    exponent = torch.arange(0, 2 * angles, 2, dtype=torch.float32) / head_dim
    turning = 1.0 / (theta**exponent)
    return torch.cat((turning, torch.zeros(head_dim // 2 - angles)))


def rotary_angles(
    positions: Tensor, frequencies: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Cosine and sine for `positions` [..., T], each [..., T, head_dim] in `dtype`."""
    half = positions[..., None].float() * frequencies
    full = torch.cat((half, half), dim=-1)
    return full.cos().to(dtype), full.sin().to(dtype)


def rotate_reference(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn `x` [..., T, heads, head_dim] by angles [..., T, head_dim]."""
    first, second = x.chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    return x * cos.unsqueeze(-2) + turned * sin.unsqueeze(-2)


rotate = rotate_reference
