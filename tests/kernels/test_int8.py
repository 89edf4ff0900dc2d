"""Products of int8 weights: what oneDNN computes is what the formula says, and near the floats."""

from __future__ import annotations

import pytest
import torch

from kernels.int8 import (
    DIGIT,
    linear_int8,
    linear_int8_reference,
    multiplies_int8,
    prepack,
    round_rows,
)
from kernels.weights import INT8, dequantise

needs_vnni = pytest.mark.skipif(not multiplies_int8(), reason="this CPU multiplies no int8")
SHAPES = [(1, 1, 1), (1, 97, 32), (5, 123, 123), (16, 960, 576), (33, 48, 1536), (64, 31, 7)]


def weight(rows: int, columns: int) -> INT8:
    generator = torch.Generator().manual_seed(rows + columns)
    data = torch.randint(-127, 128, (rows, columns), dtype=torch.int8, generator=generator)
    return INT8(data, torch.rand(rows, generator=generator) / 100)


@needs_vnni
@pytest.mark.parametrize(("m", "n", "k"), SHAPES)
def test_products_are_exact(m: int, n: int, k: int) -> None:
    given = weight(n, k)
    rounded = round_rows(torch.randn(m, k) * torch.logspace(-3, 3, m)[:, None])
    expected = linear_int8_reference(rounded, given)
    size = expected.abs().amax(dim=-1, keepdim=True)  # a sum may be near 0 by chance
    found = linear_int8(rounded, prepack(given))
    torch.testing.assert_close(found / size, expected / size, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-20, 1e-3, 1.0, 1e6])
def test_a_row_is_rounded_by_its_own_largest_value(scale: float) -> None:
    x = torch.tensor([[1.0, -127.0, 0.4, 63.6], [0.0, 0.0, 0.0, 0.0], [2.0, 1.0, -2.0, 0.001]])
    rounded = round_rows(x * scale)
    high, low = rounded.digits.chunk(2)
    assert high.tolist() == [[1, -127, 0, 64], [0, 0, 0, 0], [127, 64, -127, 0]]
    assert (low.abs() <= 127).all()
    error = ((high + low / DIGIT) * rounded.scale - x * scale).abs()
    assert (error <= 0.51 / DIGIT * rounded.scale).all()


@needs_vnni
def test_products_are_near_those_of_floats() -> None:
    x, given = torch.randn(32, 576), weight(960, 576)
    exact = x @ dequantise(given, torch.float32).T
    found = linear_int8(round_rows(x), prepack(given))
    assert (found - exact).norm() / exact.norm() < 1e-4
