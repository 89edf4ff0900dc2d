"""Canvas and causal attention against the masked reference, whole and split over keys."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kernels.attention import (
    canvas_attention_reference,
    canvas_attention_triton,
    causal_attention_triton,
    prefix_attention_reference,
)
from kernels.attention_parts import join_parts_reference, join_parts_triton
from kernels.backend import Card

sys.path.insert(0, str(Path(__file__).parent))
from close import assert_close


@dataclass(frozen=True, slots=True)
class Case:
    """`window`: how much of the prefix a canvas sees, and the causal window. `size`: of a head."""

    rows: int
    prefix: int
    window: int | None = None
    batch: int = 1
    heads: int = 4
    kv_heads: int = 2
    size: int = 16


CASES = [
    Case(1, 0),
    Case(1, 1),
    Case(3, 17, window=10, batch=3),
    Case(17, 63, heads=8, kv_heads=1, size=24),
    Case(63, 17, window=5, batch=2),
    Case(255, 3, heads=1, kv_heads=1),
    Case(3, 255, window=200, kv_heads=4),
    Case(3, 17, heads=2, kv_heads=1, size=512),
    Case(3, 40, window=20, heads=2, kv_heads=1, size=256),
    # Of dense models: seven heads to one of keys, in both directions or behind a kept prompt.
    Case(19, 0, batch=2, heads=14, kv_heads=2, size=64),
    Case(5, 33, heads=14, kv_heads=2, size=64),
    Case(17, 0, batch=2, heads=7, kv_heads=1, size=128),
    Case(3, 17, heads=14, kv_heads=2, size=128),
]


@pytest.mark.parametrize("programs", [1, 64], ids=["whole", "split"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_canvas(case: Case, programs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernels.attention.card", lambda device: Card(80, programs))
    query, key, value, prefix_key, prefix_value = tensors(case)
    seen = 10**6 if case.window is None else case.window
    # The cache is longer than what is filled of it, and what is not filled may be anything.
    room = prefix_key.new_full((1, case.kv_heads, case.prefix + 5, case.size), torch.nan)
    room_key, room_value = room.clone(), room.clone()
    room_key[:, :, : case.prefix], room_value[:, :, : case.prefix] = prefix_key, prefix_value
    length = torch.tensor([case.prefix], dtype=torch.int32)
    given = (query, key, value, prefix_key, prefix_value, seen)
    assert_close(
        canvas_attention_triton(query, key, value, room_key, room_value, seen, length),
        canvas_attention_reference(*given),
        canvas_attention_reference(*(each.double() for each in given[:5]), seen),
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_causal(case: Case) -> None:
    given = tensors(case)
    place = torch.arange(case.rows)[:, None] + case.prefix
    ahead = place - torch.arange(case.prefix + case.rows)[None, :]
    mask = (ahead >= 0) & (ahead < (case.window or 10**6))
    assert_close(
        causal_attention_triton(*given, case.window),
        prefix_attention_reference(*given, mask),
        prefix_attention_reference(*(each.double() for each in given), mask),
    )


def tensors(case: Case) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    def random(batch: int, heads: int, length: int) -> Tensor:
        # As the model hands them on: the heads of a token lie together.
        laid_out = torch.randn(batch, length, heads, case.size) * case.size**-0.25
        return laid_out.bfloat16().transpose(1, 2)

    return (
        random(case.batch, case.heads, case.rows),
        random(case.batch, case.kv_heads, case.rows),
        random(case.batch, case.kv_heads, case.rows),
        random(1, case.kv_heads, case.prefix),
        random(1, case.kv_heads, case.prefix),
    )


@pytest.mark.parametrize(
    ("splits", "rows", "size", "dtype"),
    [
        (2, 1, 16, torch.float32),
        (3, 7, 24, torch.float32),
        (5, 3, 512, torch.bfloat16),
        (16, 2, 5, torch.float32),
    ],
)
def test_parts_are_joined(splits: int, rows: int, size: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    scores, values = 9 * torch.randn(splits, rows, 11), torch.randn(splits, rows, 11, size)
    scores[1:, 0] = -torch.inf  # all that the first row sees is in the first stretch
    highest = scores.amax(dim=-1, keepdim=True)
    each = (scores - highest.clamp_min(-1e30)).exp()
    parts = torch.einsum("srk,srkd->srd", each, values)
    weight = torch.cat((highest, each.sum(dim=-1, keepdim=True)), dim=-1)
    whole = torch.einsum(
        "rk,rkd->rd",
        scores.double().transpose(0, 1).flatten(1).softmax(dim=-1),
        values.double().transpose(0, 1).flatten(1, 2),
    )
    out = torch.full((rows, size), torch.nan, dtype=dtype)
    join_parts_triton(parts, weight, out)
    assert_close(out, join_parts_reference(parts, weight).to(dtype), whole)
