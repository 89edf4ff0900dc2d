"""Rotary embedding against a rotation of complex numbers in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kernels.rotary import rotary_angles, rotary_frequencies, rotate_reference


def expected(x: Tensor, positions: Tensor, theta: float, rotated: float) -> Tensor:
    """Dimension i and i + D/2 are one complex number; the first `rotated` share of them turns."""
    size = x.shape[-1]
    pair = torch.arange(size // 2, dtype=torch.float64)
    frequency = theta ** (-2 * pair / size)
    frequency[int(rotated * size // 2) :] = 0
    turn = torch.polar(
        torch.ones(len(positions), size // 2, dtype=torch.float64),
        positions.double()[:, None] * frequency,
    )
    first, second = x.double().chunk(2, dim=-1)
    turned = torch.complex(first, second) * turn[:, None, :]
    return torch.cat((turned.real, turned.imag), dim=-1)


# (head size, theta, share of dimensions that turn)
SHAPES = [(8, 100.0, 1.0), (256, 1e4, 1.0), (32, 1e3, 0.25), (512, 1e6, 0.25), (6, 10.0, 0.5)]


@pytest.mark.parametrize(("size", "theta", "rotated"), SHAPES)
@pytest.mark.parametrize("rows", [0, 1, 3, 17, 63, 255])
def test_rotate(size: int, theta: float, rotated: float, rows: int) -> None:
    torch.manual_seed(rows)
    x = torch.randn(2, rows, 3, size)
    positions = torch.arange(rows) + 5
    angles = rotary_angles(positions, rotary_frequencies(size, theta, rotated), torch.float32)
    assert angles[0].shape == (rows, size)
    turned = rotate_reference(x, *angles)
    # an angle of `rows` radians is good to rows * 2^-24
    torch.testing.assert_close(
        turned.double(), expected(x, positions, theta, rotated), rtol=1e-5, atol=2e-4
    )


def test_what_does_not_turn_stays_bit_for_bit() -> None:
    x = torch.randn(1, 9, 2, 32)
    angles = rotary_angles(torch.arange(9), rotary_frequencies(32, 1e6, 0.25), torch.float32)
    turned = rotate_reference(x, *angles)
    still = torch.cat((torch.arange(4, 16), torch.arange(20, 32)))
    assert torch.equal(turned[..., still], x[..., still])
    assert not torch.equal(turned, x)
