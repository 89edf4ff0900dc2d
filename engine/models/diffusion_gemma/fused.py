"""The layers of a small model as a CPU runs them fastest: fewer, wider operations.

The same function of the same weights. Projections that read the same state are one matrix; the
weights of the norms before them are multiplied into it; experts that run anyway are one wide MLP
beside the dense one. What is not a matrix product is done in float32, which a CPU does faster than
bfloat16, and which rounds less.

A norm here makes vectors of length 1, not of length sqrt(size) as RMSNorm does: the weights behind
it are that much larger.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, pad

from engine.models.diffusion_gemma.layers import Attend, Layer, at_places
from engine.models.diffusion_gemma.model import DiffusionGemma
from kernels.experts import CURVE, SLOPE


def fuse(model: DiffusionGemma) -> DiffusionGemma:
    """`model` with fused layers, for inference only; one whose experts are mostly idle stays as it
    is: running them all would cost more than it saves."""
    config = model.config
    if config.num_experts <= 2 * config.top_k_experts:
        layers = cast(Iterable[Layer], model.layers)
        model.layers = nn.ModuleList(FusedLayer(layer) for layer in layers)
        model.rotary = turns
    return model


class FusedLayer(nn.Module):
    """A Layer without its weights' names."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.attention = FusedAttention(layer)
        self.feedforward = FusedFeedforward(layer)

    def forward(
        self, hidden: Tensor, turns: Tensor, index: int, attend: Attend, places: Tensor | None
    ) -> Tensor:
        """`hidden` [B, T, H] in any float type -> [B, T, H] float32, or [B, M, H] at `places`."""
        hidden = self.attention(hidden.float(), turns, index, attend, places)
        out: Tensor = self.feedforward(hidden)
        return out


class FusedAttention(nn.Module):
    """Attention with the norms around it, added to what it read.

    Query, key and value are normed by head, which undoes any scale: the norm before their
    projections leaves nothing but its weight. What turns together stands side by side, so that
    turning is one complex product.
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        attention = layer.self_attn
        size, kv_heads = attention.head_dim, attention.kv_heads
        self.size, self.kv_heads, self.turning = size, kv_heads, attention.heads + kv_heads
        rows = [_paired(attention.q_proj.weight, size), _paired(attention.k_proj.weight, size)]
        out = attention.o_proj.weight
        if attention.v_proj is not None:
            rows.append(attention.v_proj.weight)
        else:  # the value is the key, whose dimensions have moved
            out = _paired(out.t(), size).t().contiguous()
        self.project = _absorb(torch.cat(rows), layer.input_layernorm.weight)
        query, key = (
            _paired(_lengthened(norm.weight), size).expand(heads, -1)
            for norm, heads in (
                (attention.q_norm, attention.heads),
                (attention.k_norm, attention.kv_heads),
            )
        )
        self.norm = torch.cat((query, key))  # [heads + kv heads, D]
        self.out = out * size**0.5  # the value's norm has no weight
        self.out_norm = _lengthened(layer.post_attention_layernorm.weight)
        self.least = _least(size, attention.eps)
        self.out_least = _least(len(self.out_norm), layer.eps)

    def forward(
        self, hidden: Tensor, turns: Tensor, index: int, attend: Attend, places: Tensor | None
    ) -> Tensor:
        dtype = self.project.dtype
        raw = linear(hidden.to(dtype), self.project).float()
        heads = _to_unit(raw.unflatten(-1, (-1, self.size)), self.least)
        # Full layers project no value: theirs is the key before its norm's weight.
        value = _to_heads(heads[..., -self.kv_heads :, :], dtype)
        turning = heads[..., : self.turning, :].mul_(self.norm)
        torch.view_as_complex(turning.unflatten(-1, (-1, 2))).mul_(turns)
        both = _to_heads(turning, dtype)
        query, key = both[:, : -self.kv_heads], both[:, -self.kv_heads :]
        out = attend(index, query, key, value).transpose(1, 2).flatten(-2)
        if places is not None:
            out, hidden = at_places(out, places), at_places(hidden, places)
        mixed = _to_unit(linear(out, self.out).float(), self.out_least)
        return torch.addcmul(hidden, mixed, self.out_norm)


class FusedFeedforward(nn.Module):
    """The dense MLP and the experts, with the norms before and after them.

    The narrower of the two is as wide as the other one here: with zeros, which change nothing.
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        mlp, experts, router = layer.mlp, layer.experts, layer.router
        for_dense = _lengthened(layer.pre_feedforward_layernorm.weight)
        for_routed = _lengthened(layer.pre_feedforward_layernorm_2.weight)
        gates, ups = (half.flatten(0, 1) for half in experts.gate_up_proj.chunk(2, dim=1))
        downs = experts.down_proj * router.per_expert_scale[:, None, None]
        self.gate, self.up = (
            torch.cat(_alike(_absorb(dense.weight, for_dense), _absorb(routed, for_routed)))
            for dense, routed in ((mlp.gate_proj, gates), (mlp.up_proj, ups))
        )
        dense_down, routed_down = mlp.down_proj.weight.t(), downs.transpose(1, 2).flatten(0, 1)
        self.down = torch.stack(_alike(dense_down, routed_down.to(dense_down.dtype)))  # [2, I, H]
        self.routed = experts.down_proj.shape[0], experts.down_proj.shape[2]
        self.top_k = router.top_k
        self.router = router.proj.weight.float() * router.scale.float()
        after = layer.post_feedforward_layernorm_1.weight, layer.post_feedforward_layernorm_2.weight
        self.branch_norms = torch.stack([_lengthened(norm) for norm in after])[:, None]
        self.scalar = float(layer.layer_scalar)
        self.norm = _lengthened(layer.post_feedforward_layernorm.weight) * self.scalar
        self.least = _least(len(self.norm), layer.eps)

    def forward(self, hidden: Tensor) -> Tensor:
        """`hidden` [B, T, H] float32, before and after."""
        rows = hidden.flatten(0, 1)
        normed = rows / _length(rows, self.least)
        narrow = normed.to(self.gate.dtype)
        inner = _gelu(linear(narrow, self.gate)).mul_(linear(narrow, self.up))
        branches = inner.unflatten(-1, (2, -1)).transpose(0, 1)  # dense and routed, [2, N, I]
        experts, width = self.routed
        share = self._share(normed).to(inner.dtype)[..., None]
        branches[1, :, : experts * width].unflatten(-1, (experts, width)).mul_(share)
        both = _to_unit(torch.bmm(branches, self.down).float(), self.least).mul_(self.branch_norms)
        out = _to_unit(both[0].add_(both[1]), self.least).mul_(self.norm)
        return out.add_(rows, alpha=self.scalar).view_as(hidden)

    def _share(self, normed: Tensor) -> Tensor:
        """How much each expert counts, [N, E]; 0 for those that are not among the top k."""
        share = linear(normed, self.router).softmax(dim=-1)
        if self.top_k < share.shape[-1]:
            weight, index = share.topk(self.top_k, dim=-1)
            weight = weight / weight.sum(dim=-1, keepdim=True)
            share = torch.zeros_like(share).scatter(-1, index, weight)
        return share


def turns(positions: Tensor, frequencies: Tensor, dtype: torch.dtype) -> Tensor:
    """What rotary angles multiply a head by, [T, 1, D / 2] complex: in float32 whatever `dtype`."""
    angles = positions[:, None, None].float() * frequencies
    turning: Tensor = torch.polar(torch.ones_like(angles), angles)
    return turning


def _absorb(weight: Tensor, norm: Tensor) -> Tensor:
    """`weight` [out, in] for an input that was not multiplied by `norm` [in] first."""
    return (weight.float() * norm.float()).to(weight.dtype)


def _paired(weight: Tensor, size: int) -> Tensor:
    """The first dimension, of heads of `size` after each other, with the two that rotary angles
    turn together side by side: D / 2 apart before."""
    paired: Tensor = weight.unflatten(0, (-1, 2, size // 2)).transpose(1, 2).flatten(0, 2)
    return paired


def _alike(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Both with as many rows as the longer one, zeros below."""
    most = max(len(first), len(second))
    padded = [pad(each, (0, 0, 0, most - len(each))) for each in (first, second)]
    return padded[0], padded[1]


def _lengthened(norm: Tensor) -> Tensor:
    """An RMSNorm's weight, for vectors of length 1."""
    longer: Tensor = norm.float() * norm.shape[-1] ** 0.5
    return longer


def _least(size: int, eps: float) -> Tensor:
    """The length under which a vector of `size` stays shorter than 1 when it is normed."""
    return torch.tensor((size * eps) ** 0.5)


def _length(x: Tensor, least: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return length.hypot_(least)


def _to_unit(x: Tensor, least: Tensor) -> Tensor:
    """RMSNorm without weight, over sqrt(size), in place: what is longer than `least` gets the
    length 1."""
    return x.div_(_length(x, least))


def _to_heads(x: Tensor, dtype: torch.dtype) -> Tensor:
    """[B, T, heads, D] -> [B, heads, T, D], contiguous and its own."""
    return x.transpose(1, 2).to(dtype, memory_format=torch.contiguous_format, copy=True)


def _gelu(x: Tensor) -> Tensor:
    """The tanh form of GELU. torch's own is several times slower on a CPU than what it is made of.

    In bfloat16 the erf form stands in for it, which is a fast one where `x` is contiguous: they
    differ by less than 0.0005, and the logits err no more for it.
    """
    if x.dtype == torch.bfloat16:
        return gelu(x)
    bend = torch.addcmul(x.new_tensor(SLOPE), x, x, value=CURVE).mul_(x).tanh_()
    return torch.addcmul(x, x, bend).mul_(0.5)


__all__ = ["FusedLayer", "fuse"]
