"""Router, token sort, routed experts and dense linear layers, in every weight format."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kernels.backend import Card
from kernels.experts import experts_reference, experts_triton
from kernels.linear import linear_reference, linear_triton
from kernels.rounding import round_rows_reference, round_rows_triton
from kernels.router import (
    route_reference,
    route_triton,
    sort_tokens_reference,
    sort_tokens_triton,
)
from kernels.tiles import parts
from kernels.weights import dequantise, quantise_fp8, quantise_nvfp4

sys.path.insert(0, str(Path(__file__).parent))
from close import assert_close

FORMATS = {
    "bf16": lambda weight, tensors: weight.bfloat16(),
    "fp8": lambda weight, tensors: quantise_fp8(weight),
    "nvfp4": quantise_nvfp4,
}


@pytest.fixture(autouse=True)
def newest_triton(monkeypatch) -> None:
    """What an older one cannot compile for a card, its interpreter runs."""
    monkeypatch.setattr("kernels.backend.version", lambda: (3, 9))


@dataclass(frozen=True, slots=True)
class Case:
    """`rows` tokens, each to `used` of `count` experts, of those in `only`; sizes H and I."""

    rows: int
    count: int = 6
    used: int = 2
    only: tuple[int, ...] | None = None
    hidden: int = 48
    inner: int = 80


CASES = [
    *(Case(rows) for rows in (0, 1, 3, 17)),
    Case(63, count=3),
    Case(255, count=3, hidden=32, inner=16),
    Case(17, only=(2, 5)),
    Case(1, count=128, used=8, hidden=16, inner=16),
    Case(3, count=2, hidden=64, inner=704),
]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_experts(case: Case, format: str) -> None:
    x, gate_up, down, index, weight = inputs(case)
    stored = FORMATS[format](gate_up, 2), FORMATS[format](down, 1)
    exact = (dequantise(each, torch.float64) for each in stored)
    assert_close(
        experts_triton(x, *stored, index, weight),
        experts_reference(x, *stored, index, weight),
        experts_reference(x.double(), *exact, index, weight.double()),
    )


def inputs(case: Case) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    gate_up = torch.randn(case.count, 2 * case.inner, case.hidden) * case.hidden**-0.5
    gate_up[:, case.inner :] *= 3  # so that gate and up have different scales
    chosen = torch.tensor(case.only or range(case.count))
    return (
        torch.randn(case.rows, case.hidden).bfloat16(),
        gate_up,
        torch.randn(case.count, case.hidden, case.inner) * case.inner**-0.5,
        chosen[torch.rand(case.rows, len(chosen)).argsort(dim=-1)[:, : case.used]],
        torch.rand(case.rows, case.used),
    )


def test_an_expert_without_tokens_is_not_touched() -> None:
    x = torch.randn(17, 32).bfloat16()
    gate_up, down = torch.randn(4, 32, 32).bfloat16(), torch.randn(4, 32, 16).bfloat16()
    index, weight = torch.tensor([[0, 3]]).expand(17, 2), torch.rand(17, 2)
    clean = experts_triton(x, gate_up, down, index, weight)
    gate_up[1:3], down[1:3] = torch.nan, torch.nan
    assert torch.equal(experts_triton(x, gate_up, down, index, weight), clean)


@pytest.mark.parametrize("format", ["bf16", "fp8", "nvfp4"])
@pytest.mark.parametrize(
    ("rows", "size", "columns"),
    [(1, 70, 48), (3, 64, 704), (17, 128, 704), (63, 64, 80), (255, 40, 16)],
)
def test_linear(rows: int, size: int, columns: int, format: str) -> None:
    x = torch.randn(rows, columns).bfloat16()
    weight = FORMATS[format](torch.randn(size, columns), 2)
    assert_close(
        linear_triton(x, weight),
        linear_reference(x, weight),
        x.double() @ dequantise(weight, torch.float64).T,
    )


@pytest.mark.parametrize("capability", [100, 120])
@pytest.mark.parametrize(("rows", "size", "columns"), [(1, 70, 48), (17, 128, 704), (63, 64, 80)])
def test_linear_with_rounded_inputs(
    rows: int, size: int, columns: int, capability: int, monkeypatch
) -> None:
    blackwell = Card(capability, 8)
    monkeypatch.setattr("kernels.linear.card", lambda device: blackwell)
    x = torch.randn(rows, columns).bfloat16()
    weight = replace(quantise_nvfp4(torch.randn(size, columns), 2), rounds_inputs=True)
    assert parts(weight, blackwell).format != parts(weight, Card(90, 8)).format
    oracle = rounded(x.double()) @ dequantise(weight, torch.float64).T
    assert_close(linear_triton(x, weight), oracle.bfloat16(), oracle)


def test_fp8_converted_by_the_card_is_fp8_converted_by_bits(monkeypatch) -> None:
    x, weight = torch.randn(3, 64).bfloat16(), quantise_fp8(torch.randn(32, 64))
    by_bits = linear_triton(x, weight)
    monkeypatch.setattr("kernels.linear.card", lambda device: Card(89, 8))
    assert torch.equal(linear_triton(x, weight), by_bits)
    assert parts(weight, Card(89, 8)).data.dtype != parts(weight, Card(86, 8)).data.dtype


@pytest.mark.parametrize("capability", [100, 120])
@pytest.mark.parametrize("case", [Case(0), Case(3), *CASES[6:]], ids=str)
def test_experts_with_rounded_inputs(case: Case, capability: int, monkeypatch) -> None:
    """As Blackwell multiplies NVFP4: what goes into each matrix is rounded to NVFP4 itself."""
    blackwell = Card(capability, 8)
    monkeypatch.setattr("kernels.experts.card", lambda device: blackwell)
    x, gate_up, down, index, weight = inputs(case)
    stored = [
        replace(each, rounds_inputs=True)
        for each in (quantise_nvfp4(gate_up, 2), quantise_nvfp4(down))
    ]
    assert parts(stored[0], blackwell).format != parts(stored[0], Card(90, 8)).format
    exact = [dequantise(each, torch.float64) for each in stored]
    monkeypatch.setattr("kernels.experts.gated_mlp", rounding_mlp)
    oracle = experts_reference(x.double(), *exact, index, weight.double())
    assert_close(experts_triton(x, *stored, index, weight), oracle.bfloat16(), oracle)


def rounding_mlp(x: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    """Between the matrices bfloat16 is cut off as the interpreter cuts it: another value there
    would be another E2M1."""
    gate, up = (rounded(x).double() @ gate_up.double().T).chunk(2, dim=-1)
    made = torch.nn.functional.gelu(gate, approximate="tanh") * up
    cut = (made.float().view(torch.int32) & -65536).view(torch.float32)
    return (rounded(cut).double() @ down.double().T).to(x.dtype)


def rounded(x: Tensor) -> Tensor:
    return dequantise(round_rows_reference(x), x.dtype) if len(x) else x


@pytest.mark.parametrize(("rows", "size"), [(0, 80), (1, 16), (3, 704), (17, 80), (63, 32)])
def test_rows_are_rounded_as_the_reference_rounds(rows: int, size: int) -> None:
    x = (torch.randn(rows, size) * torch.logspace(-9, 9, rows)[:, None]).bfloat16()
    x[1:2] = 0
    x[2:3, : size // 2] = 2**-20 * x[2:3, : size // 2]  # scales that are subnormal
    ours = round_rows_triton(x)
    if not rows:
        assert ours.data.shape == (0, size // 2)
        return
    truth = round_rows_reference(x)
    assert torch.equal(ours.tensor_scale, truth.tensor_scale)
    assert torch.equal(ours.scale.view(torch.uint8), truth.scale.view(torch.uint8))
    assert torch.equal(ours.data, truth.data)


@pytest.mark.parametrize("rows", [0, 1, 3, 17, 63, 255])
@pytest.mark.parametrize(("experts", "top_k", "hidden"), [(5, 2, 48), (128, 8, 123)])
def test_route(rows: int, experts: int, top_k: int, hidden: int) -> None:
    residual, scale = torch.randn(rows, hidden).bfloat16(), torch.rand(hidden).bfloat16() * 9
    proj = (torch.randn(experts, hidden) * 0.2).bfloat16()
    each = torch.rand(experts).bfloat16()
    index, weight = route_triton(residual, scale, proj, each, top_k, 1e-6)

    # Experts that are all but equally likely may come in either order, or one for the other.
    wide = residual.double()
    normed = wide * (wide.square().mean(dim=-1, keepdim=True) + 1e-6).rsqrt()
    logits = (normed * scale.double() * hidden**-0.5) @ proj.double().T
    likely = logits.softmax(dim=-1)
    chosen = likely.gather(-1, index)
    assert (chosen >= 0.96 * likely.topk(top_k, dim=-1).values).all()
    share = chosen / chosen.sum(dim=-1, keepdim=True) * each.double()[index]
    torch.testing.assert_close(weight.double(), share, rtol=0.04, atol=0)
    truth, plain = route_reference(residual, scale, proj, each, top_k, 1e-6)
    assert (index == truth).double().mean().nan_to_num(1.0) > 0.9
    same = (index == truth).all(dim=-1)
    torch.testing.assert_close(weight[same], plain[same].float(), rtol=0.1, atol=0)
    assert index.sort(dim=-1).values.diff(dim=-1).gt(0).all()
    ours, plain = sort_tokens_triton(index, experts), sort_tokens_reference(index, experts)
    assert torch.equal(ours.assignment, plain.assignment)
    assert torch.equal(ours.offset, plain.offset)
