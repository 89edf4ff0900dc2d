"""Weight formats by hand: bytes and the numbers they stand for."""

from __future__ import annotations

import pytest
import torch

from kernels.random import random_uniform
from kernels.weights import (
    FP8,
    NVFP4,
    dequantise,
    pack_e2m1,
    quantise_fp8,
    quantise_nvfp4,
)


def test_e2m1_ties_go_to_the_even_code() -> None:
    values = [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0, 7.0, -0.3, -6.0]
    nearest = [0.0, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 6.0, -0.5, -6.0]
    codes = pack_e2m1(torch.tensor(values))
    assert codes.tolist() == [0x20, 0x42, 0x64, 0x76, 0xF9]
    one = torch.ones(1, 1).to(torch.float8_e4m3fn)
    padded = torch.nn.functional.pad(codes, (0, 3))[None]
    weight = NVFP4(padded, one, torch.ones(1))
    assert dequantise(weight, torch.float32)[0, : len(nearest)].tolist() == nearest


def test_nvfp4_by_hand() -> None:
    data = torch.zeros(2, 8, dtype=torch.uint8)
    data[0, 0], data[1, 7] = 0x2F, 0x71  # -6 and 1; 0.5 and 6
    scale = torch.tensor([[2.0], [0.5]]).to(torch.float8_e4m3fn)
    weight = NVFP4(data, scale, torch.tensor([3.0, 0.25]))  # two tensors of one row
    expected = torch.zeros(2, 16)
    expected[0, :2] = torch.tensor([-36.0, 6.0])
    expected[1, 14:] = torch.tensor([0.0625, 0.75])
    assert torch.equal(dequantise(weight, torch.float32), expected)


@pytest.mark.parametrize(("quantise", "bound"), [(quantise_fp8, 2**-4), (quantise_nvfp4, 0.26)])
def test_the_error_of_a_format(quantise, bound: float) -> None:
    torch.manual_seed(0)
    weight = torch.randn(3, 32, 64)
    error = (dequantise(quantise(weight), torch.float32) - weight).abs()
    assert (error <= bound * weight.abs().amax(dim=-1, keepdim=True)).all()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="scales"):
        FP8(torch.zeros(3, 4).to(torch.float8_e4m3fn), torch.ones(4))
    with pytest.raises(ValueError, match="tensor scales"):
        NVFP4(
            torch.zeros(3, 8, dtype=torch.uint8),
            torch.ones(3, 1).to(torch.float8_e4m3fn),
            torch.ones(2),
        )


def test_random_numbers_are_philox() -> None:
    """Salmon et al. 2011, the published answer for a counter and a key of zeros."""
    from kernels.random import random_bits

    assert hex(int(random_bits(0, torch.tensor([0]))[0])) == "0x6627e8d5"
    uniform = random_uniform(3, torch.arange(10000))
    assert 0 <= uniform.min() < 0.01 < 0.49 < uniform.mean() < 0.51 < 0.99 < uniform.max() < 1
