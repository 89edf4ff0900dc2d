"""Norms, alone and fused, and norm + RoPE."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kernels import norm, rotary

sys.path.insert(0, str(Path(__file__).parent))
from close import assert_close

EPS = 1e-6
SHAPES = [(0, 5), (1, 5), (3, 123), (17, 704), (63, 5), (255, 32)]


def random(*shape: int) -> Tensor:
    return torch.randn(shape).bfloat16()


@pytest.mark.parametrize(("rows", "size"), SHAPES)
def test_norms(rows: int, size: int) -> None:
    x, residual = random(rows, size), random(rows, size)
    dense, routed = random(rows, size), random(rows, size)
    weights = random(size), random(size), random(size)
    scalar = torch.tensor([0.3]).bfloat16()
    cases = [
        ("rms_norm", (x, weights[0], EPS)),
        ("rms_norm", (x, None, EPS)),
        ("add_norm", (residual, x, weights[0], EPS)),
        ("branch_norms", (residual, x, *weights, EPS)),
        ("merge_norms", (residual, dense, routed, weights, scalar, EPS)),
    ]
    for name, arguments in cases:
        check(getattr(norm, f"{name}_triton"), getattr(norm, f"{name}_reference"), arguments)


# (sequences, tokens of each, heads, KV heads, size of a head, share that turns, keys are values); a
# program takes one head of one token
ROTATED = [
    (2, 0, 4, 2, 32, 1.0, False),
    (2, 1, 4, 2, 48, 0.25, True),
    (2, 3, 4, 2, 32, 1.0, False),
    (2, 17, 4, 2, 48, 0.25, True),
    (1, 63, 2, 1, 32, 1.0, False),
    (1, 255, 1, 1, 48, 0.25, True),
]


@pytest.mark.parametrize(("batch", "rows", "heads", "kv_heads", "size", "rotated", "same"), ROTATED)
def test_norm_rotate(
    batch: int, rows: int, heads: int, kv_heads: int, size: int, rotated: float, same: bool
) -> None:
    query, key = random(batch, rows, heads, size), random(batch, rows, kv_heads, size)
    value = key if same else random(batch, rows, kv_heads, size)
    frequencies = rotary.rotary_frequencies(size, 1e4, rotated)
    angles = rotary.rotary_angles(torch.arange(rows) + 7, frequencies, torch.bfloat16)
    weights = random(size), random(size)
    arguments = (query, key, value, *weights, angles, EPS)
    check(rotary.norm_rotate_triton, rotary.norm_rotate_reference, arguments)


def check(kernel, reference, arguments) -> None:
    outs = kernel(*arguments), reference(*arguments), reference(*map(widened, arguments))
    outs = [out if isinstance(out, tuple) else (out,) for out in outs]
    for out, plain, oracle in zip(*outs, strict=True):
        assert_close(out, plain, oracle)


def widened(argument):
    if isinstance(argument, tuple):
        return tuple(map(widened, argument))
    return argument.double() if isinstance(argument, Tensor) else argument
