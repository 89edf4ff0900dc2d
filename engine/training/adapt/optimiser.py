"""AdamW over flat buffers that several processes share: each updates its part of every step.

Weights are kept in float32 and, rounded, in the dtype that the passes multiply in. Decoupled weight
decay after Loshchilov and Hutter, https://arxiv.org/abs/1711.05101.

Small batches leave the weights beside what they are on average, and a model is better there: a
running mean of them is kept besides, as Polyak and Juditsky have it (SIAM J. Control Optim. 30,
1992).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.training.adapt.settings import Adam

EPSILON = 1e-8


@dataclass(frozen=True, slots=True)
class State:
    """N weights, in processes' shared memory.

    `master`, `first`, `second` [N] float32 and `mean` [N], the running mean of `master`; `weights`
    [N] the rounded copy; `gradients` [P, N], a row a process, each of that process's mean loss;
    `norms` [P] squares of the norm, by part.
    """

    master: Tensor
    first: Tensor
    second: Tensor
    mean: Tensor
    weights: Tensor
    gradients: Tensor
    norms: Tensor

    @classmethod
    def new(cls, size: int, processes: int, dtype: torch.dtype, device: torch.device) -> State:
        def zeros(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=device)

        state = cls(
            zeros(size),
            zeros(size),
            zeros(size),
            zeros(size),
            zeros(size, dtype=dtype),
            zeros(processes, size, dtype=dtype),
            zeros(processes),
        )
        if processes > 1:
            for name in cls.__dataclass_fields__:
                getattr(state, name).share_memory_()
        return state

    def part(self, rank: int) -> slice:
        """What the process `rank` updates."""
        processes, size = self.gradients.shape
        return slice(size * rank // processes, size * (rank + 1) // processes)


def measure_norm(state: State, rank: int) -> None:
    """First of two steps, between which all processes meet."""
    part = state.gradients[:, state.part(rank)]
    state.norms[rank] = _square_norm(part)


def update(state: State, rank: int, settings: Adam, rate: float, step: int) -> float:
    """Second step: the norm of the gradient, before clipping. `rate` is a share of the peak; `step`
    counts from 0."""
    norm = float(state.norms.sum().sqrt())
    part = state.part(rank)
    first, second = settings.betas
    scalars = torch.tensor(
        [
            min(1.0, settings.clip / (norm + 1e-6)),
            settings.rate * rate,
            1 - settings.rate * rate * settings.weight_decay,
            1 - first,
            1 - second,
            1 - first ** (step + 1),
            1 - second ** (step + 1),
            max(settings.average, 1 / (step + 1)),
        ],
        device=state.master.device,
    )
    _update(
        state.master[part],
        state.first[part],
        state.second[part],
        state.mean[part],
        state.weights[part],
        state.gradients[:, part],
        scalars,
    )
    return norm


@torch.compile(dynamic=False)
def _square_norm(gradients: Tensor) -> Tensor:
    return gradients.float().mean(0).square().sum()


@torch.compile(dynamic=False)
def _update(
    master: Tensor,
    first: Tensor,
    second: Tensor,
    mean: Tensor,
    weights: Tensor,
    gradients: Tensor,
    scalars: Tensor,
) -> None:
    clip, rate, kept, fresh_first, fresh_second, whole_first, whole_second, new = scalars.unbind()
    gradient = gradients.float().mean(0) * clip
    first.add_((gradient - first) * fresh_first)
    second.add_((gradient.square() - second) * fresh_second)
    spread = (second / whole_second).sqrt() + EPSILON
    master.mul_(kept).sub_(rate * (first / whole_first) / spread)
    mean.add_((master - mean) * new)
    weights.copy_(master)
