"""Routed experts: each token passes through its top-k gated MLPs, summed by routing weight."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def gated_mlp(x: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    """down(gelu_tanh(gate(x)) * up(x)); `gate_up` [2I, H] holds gate rows first, `down` [H, I]."""
    gate, up = functional.linear(x, gate_up).chunk(2, dim=-1)
    return functional.linear(functional.gelu(gate, approximate="tanh") * up, down)


def experts_reference(
    x: Tensor, gate_up: Tensor, down: Tensor, index: Tensor, weight: Tensor
) -> Tensor:
    """Sum over k of weight[n, k] * expert[index[n, k]](x[n]).

    `x` [N, H]; `gate_up` [E, 2I, H]; `down` [E, H, I]; `index`, `weight` [N, K]. Returns [N, H].
    With few experts every token passes through all of them, with weight 0 where it is not routed:
    more arithmetic, but no gather, no data-dependent shape.
    """
    experts, top_k = gate_up.shape[0], index.shape[1]
    if experts <= 2 * top_k:
        share = weight.new_zeros(x.shape[0], experts).scatter(1, index, weight).to(x.dtype)
        parts = [gated_mlp(x, gate_up[e], down[e]) * share[:, e : e + 1] for e in range(experts)]
        return torch.stack(parts).sum(0) if experts > 1 else parts[0]
    total = torch.zeros_like(x)
    for expert in index.unique().tolist():
        token, slot = torch.where(index == expert)
        part = gated_mlp(x[token], gate_up[expert], down[expert])
        total.index_add_(0, token, (part * weight[token, slot, None]).to(x.dtype))
    return total


experts = experts_reference
