"""Attention over a shared prefix against softmax(QK^T)V in float64."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from kernels.attention import prefix_attention_reference


@dataclass(frozen=True, slots=True)
class Case:
    """`rows` queries of `batch` sequences after `prefix` shared keys; None: no prefix at all."""

    rows: int
    prefix: int | None
    batch: int = 1
    heads: int = 4
    kv_heads: int = 2
    size: int = 8
    causal: bool = False


CASES = [
    Case(1, None),
    Case(1, 0),
    Case(1, 1),
    Case(3, 17, batch=3),
    Case(17, None, batch=2, causal=True),
    Case(17, 3, batch=3, kv_heads=1, size=5),
    Case(63, 17, batch=2, kv_heads=4, causal=True),
    Case(255, 63, heads=6, kv_heads=3, size=16, causal=True),
    Case(12, 255, batch=8, size=32),
]


def expected(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    prefix_key: Tensor | None,
    prefix_value: Tensor | None,
    mask: Tensor | None,
) -> Tensor:
    query, key, value = query.double(), key.double(), value.double()
    groups = query.shape[1] // key.shape[1]
    rows = []
    for sequence in range(query.shape[0]):
        heads = []
        for head in range(query.shape[1]):
            keys, values = key[sequence, head // groups], value[sequence, head // groups]
            if prefix_key is not None and prefix_value is not None:
                keys = torch.cat((prefix_key[0, head // groups].double(), keys))
                values = torch.cat((prefix_value[0, head // groups].double(), values))
            scores = query[sequence, head] @ keys.T  # not scaled
            if mask is not None:
                scores = scores.masked_fill(~mask, -torch.inf)
            heads.append(scores.softmax(dim=-1) @ values)
        rows.append(torch.stack(heads))
    return torch.stack(rows)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03)], ids=str
)
def test_prefix_attention(case: Case, dtype: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(case.rows)

    def random(batch: int, heads: int, length: int) -> Tensor:
        return torch.randn(batch, heads, length, case.size).to(dtype)

    query = random(case.batch, case.heads, case.rows)
    key, value = (random(case.batch, case.kv_heads, case.rows) for _ in range(2))
    prefix: tuple[Tensor | None, Tensor | None] = (None, None)
    if case.prefix is not None:
        prefix = (random(1, case.kv_heads, case.prefix), random(1, case.kv_heads, case.prefix))
    mask = None
    if case.causal:
        past = case.prefix or 0
        mask = torch.ones(case.rows, past + case.rows, dtype=torch.bool).tril(past)
    arguments = (query, key, value, *prefix, mask)
    out = prefix_attention_reference(*arguments)
    assert out.dtype == dtype
    torch.testing.assert_close(out.double(), expected(*arguments), rtol=tolerance, atol=tolerance)
