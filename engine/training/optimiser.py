"""Muon for the layers' matrices, Adam for everything else; states in float32, savable as tensors.

Muon: momentum, then the nearest (semi-)orthogonal matrix by a quintic Newton-Schulz iteration
(Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from engine.models.family import Model
from engine.models.training import training_of

ADAM_BETAS = (0.9, 0.97)
QUINTIC = (3.4445, -4.7750, 2.0315)


class Optimiser:
    """`muon` false leaves the matrices to Adam too."""

    def __init__(
        self,
        model: Model[Any],
        matrix_rate: float,
        other_rate: float,
        momentum: float,
        *,
        muon: bool = True,
    ) -> None:
        self.matrix_rate, self.other_rate, self.momentum = matrix_rate, other_rate, momentum
        named = dict(model.named_parameters())
        apart = training_of(model).apart
        self.matrices = {
            name: p for name, p in named.items() if muon and _is_matrix(name, p, apart)
        }
        self.others = {name: p for name, p in named.items() if name not in self.matrices}
        self.state = {f"momentum.{name}": torch.zeros_like(p) for name, p in self.matrices.items()}
        for name, p in self.others.items():
            self.state[f"first.{name}"] = torch.zeros_like(p)
            self.state[f"second.{name}"] = torch.zeros_like(p)

    @torch.no_grad()
    def step(self, step: int, rate: float) -> None:
        """Update every parameter that has a gradient, and drop the gradients."""
        by_shape: dict[torch.Size, list[tuple[nn.Parameter, Tensor]]] = {}
        for name, parameter in self.matrices.items():
            if parameter.grad is None:
                continue
            momentum = self.state[f"momentum.{name}"]
            momentum.lerp_(parameter.grad, 1 - self.momentum)
            update = parameter.grad.lerp(momentum, self.momentum)
            by_shape.setdefault(parameter.shape, []).append((parameter, update))
        for shape, group in by_shape.items():
            stacked = torch.stack([update for _, update in group])
            scale = max(1.0, shape[-2] / shape[-1]) ** 0.5
            for (parameter, _), update in zip(group, orthogonalise(stacked), strict=True):
                parameter.add_(update.to(parameter.dtype), alpha=-self.matrix_rate * rate * scale)
                parameter.grad = None
        for name, parameter in self.others.items():
            if parameter.grad is None:
                continue
            first, second = self.state[f"first.{name}"], self.state[f"second.{name}"]
            first.lerp_(parameter.grad, 1 - ADAM_BETAS[0])
            second.lerp_(parameter.grad.square(), 1 - ADAM_BETAS[1])
            count = step + 1
            spread = (second / (1 - ADAM_BETAS[1] ** count)).sqrt_().add_(1e-10)
            unbiased = self.other_rate * rate / (1 - ADAM_BETAS[0] ** count)
            parameter.addcdiv_(first, spread, value=-unbiased)
            parameter.grad = None


def orthogonalise(matrices: Tensor, iterations: int = 5) -> Tensor:
    """[..., m, n] -> matrices of the same singular vectors and singular values near 1."""
    a, b, c = QUINTIC
    x = matrices.bfloat16().reshape(-1, *matrices.shape[-2:])
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).reshape(matrices.shape)


def _is_matrix(name: str, parameter: nn.Parameter, apart: Sequence[str]) -> bool:
    return parameter.ndim >= 2 and not any(part in name for part in apart)
