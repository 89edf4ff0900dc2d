"""The layers as a CPU runs them fastest: fewer, wider operations.

The same function of the same weights. Projections that read the same state are one matrix, into
which the scale of the scores is multiplied, and where it is in floats the weight of the norm before
it. What is not a matrix product is done in float32, which a CPU does faster than bfloat16, and
which rounds less.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from engine.models.dense.backbone import Backbone
from engine.models.dense.config import Config
from engine.models.dense.layers import Attend, Attention, Layer, RMSNorm
from engine.models.dense.matrices import joined, matrix_of
from kernels.weights import INT8, Weight

B = TypeVar("B", bound=Backbone[Any])


def fuse(model: B) -> B:
    """`model` with fused layers, for inference only."""
    layers = cast(Iterable[Layer], model.layers)
    dtype = model.dtype
    # One after the other, so that no more than one layer is ever held twice.
    for index, layer in enumerate(layers):
        model.layers[index] = FusedLayer(layer, model.config, dtype)
    model.angles = turns
    model.head = matrix_of(model.head_weight)
    return model


class FusedLayer(nn.Module):
    """A Layer without its weights' names. `dtype` is that of queries, keys and values."""

    def __init__(self, layer: Layer, config: Config, dtype: torch.dtype) -> None:
        super().__init__()
        self.size, self.eps, self.dtype = config.head_dim, config.rms_norm_eps, dtype
        self.kv_heads = config.num_key_value_heads
        attention, mlp = layer.self_attn, layer.mlp
        self.norm = _norm_of_heads(attention, config)
        # Where query and key are normed, the scale of the scores is in that norm.
        scale = config.head_dim**-0.5 if self.norm is None else 1.0
        project = (attention.q_proj, attention.k_proj, attention.v_proj)
        query, key, value = (each.weight for each in project)
        weight = joined([_paired(query, self.size), _paired(key, self.size), value])
        scales = torch.ones(weight.shape[0])
        scales[: query.shape[0]] = scale
        weight, self.before_attention = _behind(layer.input_layernorm, weight, scales)
        self.project = matrix_of(weight, _joined_bias(project, self.size, scale))
        self.out = matrix_of(attention.o_proj.weight, attention.o_proj.bias)
        # Two products, not one twice as wide: what comes of that leaves the cache.
        gate, self.before_mlp = _behind(layer.post_attention_layernorm, mlp.gate_proj.weight)
        up, _ = _behind(layer.post_attention_layernorm, mlp.up_proj.weight)
        self.gate = matrix_of(gate, mlp.gate_proj.bias)
        self.up = matrix_of(up, mlp.up_proj.bias)
        self.down = matrix_of(mlp.down_proj.weight, mlp.down_proj.bias)

    def forward(
        self, hidden: Tensor, turns: Tensor, index: int, attend: Attend, rows: Tensor | None
    ) -> Tensor:
        """`hidden` [N, H] in any float type -> [N, H] float32, or [R, H] of the tokens `rows`."""
        hidden = hidden.float()
        raw = self.project(self.project.ready(self._normed(hidden, self.before_attention)))
        heads = raw.unflatten(-1, (-1, self.size))
        turning = heads[:, : -self.kv_heads].float()
        if self.norm is not None:
            turning = self._normed(turning, self.norm)
        torch.view_as_complex(turning.unflatten(-1, (-1, 2))).mul_(turns)
        turned = turning.to(self.dtype)
        query, key = turned[:, : -self.kv_heads], turned[:, -self.kv_heads :]
        value = heads[:, -self.kv_heads :].to(self.dtype)
        seen = attend(index, query, key, value).flatten(-2)
        if rows is not None:
            seen, hidden = seen[rows], hidden[rows]
        hidden = hidden + self.out(self.out.ready(seen))
        normed = self.gate.ready(self._normed(hidden, self.before_mlp))
        inner = silu(self.gate(normed)).mul_(self.up(normed))
        return hidden.add_(self.down(self.down.ready(inner)))

    def _normed(self, x: Tensor, weight: Tensor | None) -> Tensor:
        """RMSNorm."""
        squares = torch.linalg.vecdot(x, x)[..., None]
        normed: Tensor = x * squares.div_(x.shape[-1]).add_(self.eps).rsqrt_()
        return normed if weight is None else normed.mul_(weight)


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
        paired = _paired_rows(norm.weight.float(), config.head_dim)
        return (paired * scale).expand(heads, -1)

    query = weights(attention.q_norm, config.num_attention_heads, config.head_dim**-0.5)
    return torch.cat((query, weights(attention.k_norm, config.num_key_value_heads, 1.0)))


def _behind(
    norm: RMSNorm, weight: Weight, scales: Tensor | None = None
) -> tuple[Weight, Tensor | None]:
    """`weight` [out, in], its rows scaled, for an input that was not multiplied by the weight of
    `norm`, if that can be in it, and what is left to multiply the input by: integers have no room
    for it."""
    if isinstance(weight, INT8):
        scale = weight.scale if scales is None else weight.scale * scales
        return INT8(weight.data, scale), norm.weight.float()
    assert isinstance(weight, Tensor)
    behind = weight.float() * norm.weight.float()
    return (behind if scales is None else behind * scales[:, None]).to(weight.dtype), None


def _paired(weight: Weight, size: int) -> Weight:
    """The first dimension, of heads of `size` after each other, with the two that rotary angles
    turn together side by side: D / 2 apart before."""
    if isinstance(weight, INT8):
        return INT8(_paired_rows(weight.data, size), _paired_rows(weight.scale, size))
    assert isinstance(weight, Tensor)
    return _paired_rows(weight, size)


def _paired_rows(rows: Tensor, size: int) -> Tensor:
    paired: Tensor = rows.unflatten(0, (-1, 2, size // 2)).transpose(1, 2).flatten(0, 2)
    return paired


def _joined_bias(project: Sequence[nn.Linear], size: int, scale: float) -> Tensor | None:
    """Of query, key and value, the query's scaled."""
    query, key, value = (each.bias for each in project)
    if query is None:
        return None
    return torch.cat((_paired_rows(query, size) * scale, _paired_rows(key, size), value))


__all__ = ["FusedLayer", "fuse", "turns"]
