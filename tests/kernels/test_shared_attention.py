"""Attention in two parts against attention over all keys with a mask."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from kernels.attention import prefix_attention_reference
from kernels.shared_attention import shared_attention, shares


@dataclass(frozen=True, slots=True)
class Case:
    rows: int
    prefix: int
    shared: int
    batch: int = 1
    heads: int = 4
    kv_heads: int = 2
    size: int = 8
    is_masked: bool = False


CASES = [
    Case(1, 0, 0),
    Case(1, 31, 31),
    Case(7, 32, 32, batch=3),
    Case(64, 95, 95, batch=2, heads=9, kv_heads=3, size=64),
    Case(16, 100, 70, is_masked=True),
    Case(16, 100, 64, heads=3, kv_heads=3, is_masked=True),
    Case(33, 20, 20, kv_heads=1, size=5, is_masked=True),
    Case(5, 257, 0, is_masked=True),
]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.bfloat16, 2e-2)], ids=str
)
def test_as_with_one_mask(case: Case, dtype: torch.dtype, tolerance: float) -> None:
    generator = torch.Generator().manual_seed(5)

    def random(batch: int, heads: int, count: int) -> torch.Tensor:
        return torch.randn(batch, heads, count, case.size, generator=generator).to(dtype)

    query = random(case.batch, case.heads, case.rows)
    key, value = (random(case.batch, case.kv_heads, case.rows) for _ in range(2))
    prefix = [random(1, case.kv_heads, case.prefix) for _ in range(2)]
    keys = case.prefix + case.rows
    sees = torch.ones(case.rows, keys, dtype=torch.bool)
    if case.is_masked:
        drawn = torch.rand(case.rows, keys, generator=generator) < 0.5
        sees[:, case.shared :] = drawn[:, case.shared :]
        sees[:, -case.rows :] |= torch.eye(case.rows, dtype=torch.bool)
    mask = sees[:, case.shared :] if case.is_masked else None
    with torch.no_grad():
        assert shares(query)
        found = shared_attention(query, key, value, *prefix, case.shared, mask)
    wide = [each.double() for each in (query, key, value, *prefix)]
    expected = prefix_attention_reference(*wide, sees)
    torch.testing.assert_close(found.double(), expected, atol=tolerance, rtol=tolerance)
