"""RMSNorm against its formula in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kernels.norm import rms_norm_reference

EPS = 1e-6


def expected(x: Tensor, weight: Tensor | None) -> Tensor:
    x = x.double()
    scale = (x.square().mean(dim=-1, keepdim=True) + EPS).rsqrt()
    return x * scale if weight is None else x * scale * weight.double()


@pytest.mark.parametrize("rows", [0, 1, 3, 17, 63, 255])
@pytest.mark.parametrize("size", [1, 5, 32, 123])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2**-8)], ids=str
)
def test_rms_norm(
    rows: int, size: int, weighted: bool, dtype: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(rows + size)
    x = (torch.randn(rows, size) * torch.logspace(-2, 2, rows)[:, None]).to(dtype)
    weight = torch.randn(size).to(dtype) if weighted else None
    normed = rms_norm_reference(x, weight, EPS)
    assert normed.dtype == dtype
    torch.testing.assert_close(normed.double(), expected(x, weight), rtol=tolerance, atol=1e-6)


def test_a_row_of_zeros_stays_zero() -> None:
    assert not rms_norm_reference(torch.zeros(3, 8), torch.ones(8), EPS).any()
