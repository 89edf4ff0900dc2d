"""Routed experts against one token at a time in float64."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from kernels.experts import experts_reference

HIDDEN, INNER = 16, 10


@dataclass(frozen=True, slots=True)
class Case:
    """`rows` tokens, each to `used` of `count` experts; `only` keeps routing to those experts."""

    rows: int
    count: int = 8
    used: int = 2
    only: tuple[int, ...] | None = None


CASES = [
    *(Case(rows) for rows in (0, 1, 3, 17, 63, 255)),
    Case(17, only=(2, 5)),
    Case(17, used=1, only=(7,)),
    Case(3, count=128, used=8),
    Case(17, count=5),
    Case(17, count=4),
    Case(17, count=4, only=(0, 3)),
    Case(63, count=2),
    Case(0, count=2),
    Case(17, count=1, used=1),
]


def expected(x: Tensor, gate_up: Tensor, down: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    x, gate_up, down, weight = x.double(), gate_up.double(), down.double(), weight.double()
    out = torch.zeros_like(x)
    for token in range(x.shape[0]):
        for slot in range(index.shape[1]):
            expert = index[token, slot]
            gate, up = (gate_up[expert] @ x[token]).split(INNER)
            # the tanh approximation of GELU
            bent = (
                0.5 * gate * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (gate + 0.044715 * gate**3)))
            )
            out[token] += weight[token, slot] * (down[expert] @ (bent * up))
    return out


def inputs(case: Case) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(case.rows + case.count)
    chosen = torch.tensor(case.only or range(case.count))
    order = torch.rand(case.rows, len(chosen)).argsort(dim=-1)[:, : case.used]
    return (
        torch.randn(case.rows, HIDDEN),
        torch.randn(case.count, 2 * INNER, HIDDEN) * HIDDEN**-0.5,
        torch.randn(case.count, HIDDEN, INNER) * INNER**-0.5,
        chosen[order],
        torch.rand(case.rows, case.used),
    )


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03)], ids=str
)
def test_experts(case: Case, dtype: torch.dtype, tolerance: float) -> None:
    x, gate_up, down, index, weight = inputs(case)
    x, gate_up, down = x.to(dtype), gate_up.to(dtype), down.to(dtype)
    out = experts_reference(x, gate_up, down, index, weight)
    assert out.dtype == dtype
    torch.testing.assert_close(
        out.double(),
        expected(x, gate_up, down, index, weight),
        rtol=tolerance,
        atol=tolerance,
    )


def test_an_expert_without_tokens_is_not_touched() -> None:
    """Its weights may be anything: it adds nothing, not even NaN."""
    x, gate_up, down, index, weight = inputs(Case(17, only=(2, 5)))
    clean = experts_reference(x, gate_up, down, index, weight)
    gate_up[3], down[3] = torch.nan, torch.nan
    assert torch.equal(experts_reference(x, gate_up, down, index, weight), clean)


@pytest.mark.parametrize("count", [2, 4, 8])
def test_gradients(count: int) -> None:
    """Those of the weights and of the routing, which training needs."""
    x, gate_up, down, index, weight = inputs(Case(17, count=count))
    leaves = [tensor.double().requires_grad_() for tensor in (x, gate_up, down, weight)]
    arguments = (*leaves[:3], index, leaves[3])
    ours = torch.autograd.grad(experts_reference(*arguments).sin().sum(), leaves)
    truth = torch.autograd.grad(expected(*arguments).sin().sum(), leaves)
    for mine, theirs in zip(ours, truth, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("count", [2, 4])
def test_few_experts_compile_into_one_graph(count: int) -> None:
    """Training compiles the model whole: no shape may depend on the routing."""
    compiled = torch.compile(experts_reference, fullgraph=True, backend="eager")
    arguments = inputs(Case(17, count=count))
    torch.testing.assert_close(compiled(*arguments), experts_reference(*arguments))
