"""The layers as a CPU runs them fastest: fewer, wider operations.

The same function of the same weights. Projections that read the same state are one matrix, into
which the weight of the norm before them and the scale of the scores are multiplied. What is not a
matrix product is done in float32, which a CPU does faster than bfloat16, and which rounds less.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, silu

from engine.models.dense.backbone import Backbone
from engine.models.dense.config import Config
from engine.models.dense.layers import Attend, Attention, Layer, RMSNorm

B = TypeVar("B", bound=Backbone[Any])


def fuse(model: B) -> B:
    """`model` with fused layers, for inference only."""
    layers = cast(Iterable[Layer], model.layers)
    # One after the other, so that no more than one layer is ever held twice.
    for index, layer in enumerate(layers):
        model.layers[index] = FusedLayer(layer, model.config)
    model.angles = turns
    return model


class FusedLayer(nn.Module):
    """A Layer without its weights' names."""

    def __init__(self, layer: Layer, config: Config) -> None:
        super().__init__()
        self.size, self.eps = config.head_dim, config.rms_norm_eps
        self.kv_heads = config.num_key_value_heads
        attention, mlp = layer.self_attn, layer.mlp
        self.norm = _norm_of_heads(attention, config)
        # Where query and key are normed, the scale of the scores is in that norm.
        scale = config.head_dim**-0.5 if self.norm is None else 1.0
        before_attention, before_mlp = layer.input_layernorm, layer.post_attention_layernorm
        project = (attention.q_proj, attention.k_proj, attention.v_proj)
        self.project, self.project_bias = _joined(
            [
                (_paired(project[0].weight, self.size), scale, _paired_bias(project[0], self.size)),
                (_paired(project[1].weight, self.size), 1.0, _paired_bias(project[1], self.size)),
                (project[2].weight, 1.0, project[2].bias),
            ],
            before_attention.weight,
        )
        self.out, self.out_bias = attention.o_proj.weight, attention.o_proj.bias
        # Two products, not one twice as wide: what comes of that leaves the cache.
        (self.gate, self.gate_bias), (self.up, self.up_bias) = (
            _joined([(each.weight, 1.0, each.bias)], before_mlp.weight)
            for each in (mlp.gate_proj, mlp.up_proj)
        )
        self.down, self.down_bias = mlp.down_proj.weight, mlp.down_proj.bias

    def forward(
        self, hidden: Tensor, turns: Tensor, index: int, attend: Attend, rows: Tensor | None
    ) -> Tensor:
        """`hidden` [N, H] in any float type -> [N, H] float32, or [R, H] of the tokens `rows`."""
        dtype = self.out.dtype
        hidden = hidden.float()
        raw = linear(self._normed(hidden).to(dtype), self.project, self.project_bias)
        heads = raw.unflatten(-1, (-1, self.size))
        turning = heads[:, : -self.kv_heads].float()
        if self.norm is not None:
            turning = self._normed(turning) * self.norm
        torch.view_as_complex(turning.unflatten(-1, (-1, 2))).mul_(turns)
        turned = turning.to(dtype)
        query, key = turned[:, : -self.kv_heads], turned[:, -self.kv_heads :]
        seen = attend(index, query, key, heads[:, -self.kv_heads :]).flatten(-2)
        if rows is not None:
            seen, hidden = seen[rows], hidden[rows]
        hidden = hidden + linear(seen, self.out, self.out_bias)
        normed = self._normed(hidden).to(dtype)
        inner = silu(linear(normed, self.gate, self.gate_bias))
        inner.mul_(linear(normed, self.up, self.up_bias))
        return hidden.add_(linear(inner, self.down, self.down_bias))

    def _normed(self, x: Tensor) -> Tensor:
        """RMSNorm without a weight."""
        squares = torch.linalg.vecdot(x, x)[..., None]
        normed: Tensor = x * squares.div_(x.shape[-1]).add_(self.eps).rsqrt_()
        return normed


def turns(positions: Tensor, frequencies: Tensor, config: Config, dtype: torch.dtype) -> Tensor:
    """What rotary angles multiply a head by, [N, 1, D / 2] complex: in float32 whatever `dtype`."""
    angles = positions[:, None, None].float() * frequencies
    turning: Tensor = torch.polar(torch.full_like(angles, config.rope.attention), angles)
    return turning


def _norm_of_heads(attention: Attention, config: Config) -> Tensor | None:
    """The weights of the norms of all heads of query and key, [heads + kv heads, D] float32, with
    the scale of the scores in those of the query."""
    if attention.q_norm is None or attention.k_norm is None:
        return None

    def weights(norm: RMSNorm, heads: int, scale: float) -> Tensor:
        paired = _paired(norm.weight.float()[:, None], config.head_dim)[:, 0]
        return (paired * scale).expand(heads, -1)

    query = weights(attention.q_norm, config.num_attention_heads, config.head_dim**-0.5)
    return torch.cat((query, weights(attention.k_norm, config.num_key_value_heads, 1.0)))


def _joined(
    parts: Iterable[tuple[Tensor, float, Tensor | None]], norm: Tensor
) -> tuple[Tensor, Tensor | None]:
    """The weights [out, in] and biases [out] of `parts` as one, each part scaled, for an input that
    was not multiplied by `norm` [in] first."""
    weights, biases = [], []
    for weight, scale, bias in parts:
        weights.append((weight.float() * (norm.float() * scale)).to(weight.dtype))
        if bias is not None:
            biases.append(bias * scale)
    return torch.cat(weights), torch.cat(biases) if biases else None


def _paired(weight: Tensor, size: int) -> Tensor:
    """The first dimension, of heads of `size` after each other, with the two that rotary angles
    turn together side by side: D / 2 apart before."""
    paired: Tensor = weight.unflatten(0, (-1, 2, size // 2)).transpose(1, 2).flatten(0, 2)
    return paired


def _paired_bias(project: nn.Linear, size: int) -> Tensor | None:
    return None if project.bias is None else _paired(project.bias[:, None], size)[:, 0]


__all__ = ["FusedLayer", "fuse", "turns"]
