"""Muon makes updates orthogonal; every parameter is moved by one of the two rules."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from engine.training.optimiser import ADAM_BETAS, Optimiser, orthogonalise


@pytest.mark.parametrize(
    "shape", [(24, 24), (40, 16), (16, 40), (3, 24, 40), (2, 40, 24), (5, 1)], ids=str
)
def test_orthogonalise(shape: tuple[int, ...]) -> None:
    """The same singular vectors; singular values near 1, wherever they were."""
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(shape, generator=generator) * 1e-3
    near = orthogonalise(matrix).float()
    assert near.shape == matrix.shape
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    there = left.mT @ near @ right.mT
    diagonal = there.diagonal(dim1=-2, dim2=-1)
    sure = values > 0.1 * values.amax(-1, keepdim=True)  # small ones take more iterations
    assert (diagonal[sure] > 0.6).all()
    assert (diagonal < 1.3).all()
    assert (there - torch.diag_embed(diagonal)).abs().max() < 0.1


def test_orthogonalise_nothing() -> None:
    assert torch.equal(orthogonalise(torch.zeros(4, 3)), torch.zeros(4, 3).bfloat16())


def test_a_stack_is_orthogonalised_one_by_one() -> None:
    matrices = torch.randn(3, 8, 12, generator=torch.Generator().manual_seed(0))
    matrices[1] *= 100  # must not drown the others
    stacked = orthogonalise(matrices)
    for one, among in zip(matrices, stacked, strict=True):
        torch.testing.assert_close(orthogonalise(one), among, atol=0.02, rtol=0)


def test_every_parameter_has_one_rule(tiny: Any) -> None:
    optimiser = Optimiser(tiny.model, 0.1, 0.1, 0.9)
    names = {name for name, _ in tiny.model.named_parameters()}
    assert optimiser.matrices.keys() | optimiser.others.keys() == names
    assert not optimiser.matrices.keys() & optimiser.others.keys()
    assert {"embed_tokens.weight", "layers.0.router.proj.weight", "norm.weight"} <= set(
        optimiser.others
    )
    assert {
        "layers.0.self_attn.q_proj.weight",
        "layers.1.experts.down_proj",
        "self_conditioning.gate_proj.weight",
    } <= set(optimiser.matrices)
    expected = {f"momentum.{name}" for name in optimiser.matrices}
    expected |= {f"{kind}.{name}" for name in optimiser.others for kind in ("first", "second")}
    assert optimiser.state.keys() == expected


def test_a_step(tiny: Any) -> None:
    """Matrices move by an orthogonal update, the rest as Adam does; what has no gradient stays."""
    model = copy.deepcopy(tiny.model).requires_grad_(True)
    matrix_rate, other_rate, momentum, rate = 0.02, 0.003, 0.95, 0.5
    optimiser = Optimiser(model, matrix_rate, other_rate, momentum)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    generator = torch.Generator().manual_seed(0)
    gradients = {
        name: torch.randn(p.shape, generator=generator)
        for name, p in model.named_parameters()
        if not name.startswith("layers.1.")
    }
    parameters = dict(model.named_parameters())
    for name, gradient in gradients.items():
        parameters[name].grad = gradient.clone()
    optimiser.step(0, rate)
    assert all(p.grad is None for p in parameters.values())
    for name, parameter in parameters.items():
        moved = parameter.detach() - before[name]
        gradient = gradients.get(name)
        if gradient is None:
            assert not moved.any()
        elif name in optimiser.matrices:
            # Nesterov's look ahead, at the first step, points where the gradient does.
            scale = max(1.0, gradient.shape[-2] / gradient.shape[-1]) ** 0.5
            expected = -matrix_rate * rate * scale * orthogonalise(gradient).float()
            torch.testing.assert_close(moved, expected, atol=1e-3, rtol=0)
        else:
            torch.testing.assert_close(
                moved, -other_rate * rate * gradient.sign(), atol=1e-5, rtol=1e-3
            )


def test_adam_against_torch(tiny: Any) -> None:
    ours, theirs = (copy.deepcopy(tiny.model).requires_grad_(True) for _ in range(2))
    optimiser = Optimiser(ours, 0.02, 0.003, 0.95)
    name = "embed_tokens.weight"
    mine, other = dict(ours.named_parameters())[name], dict(theirs.named_parameters())[name]
    reference = torch.optim.Adam([other], lr=0.003, betas=ADAM_BETAS, eps=1e-10)
    generator = torch.Generator().manual_seed(0)
    for step in range(4):
        gradient = torch.randn(mine.shape, generator=generator)
        mine.grad, other.grad = gradient.clone(), gradient.clone()
        optimiser.step(step, 1.0)
        reference.step()
        torch.testing.assert_close(mine, other, atol=1e-6, rtol=1e-4)
