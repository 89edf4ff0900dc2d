"""The layers of a dense model, in plain torch. Names are those of the checkpoint.

All tokens of a pass stand in one long row [N, H], whatever texts they belong to: which of them see
each other is the business of `Attend`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from engine.models.dense.config import Config
from kernels.norm import rms_norm
from kernels.rotary import rotary_angles, rotate

# How a layer attends: (layer index, query [N, heads, D], key and value [N, kv heads, D]) ->
# [N, heads, D]. The query comes scaled.
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Angles:
    """Cosine and sine, [N, D] each, for queries and for keys: the scale of the scores is in those
    of the queries, where it is rounded once, with the cosine."""

    query: tuple[Tensor, Tensor]
    key: tuple[Tensor, Tensor]

    @classmethod
    def of(
        cls, positions: Tensor, frequencies: Tensor, config: Config, dtype: torch.dtype
    ) -> Angles:
        cos, sin = rotary_angles(positions, frequencies, torch.float32)
        for_key = config.rope.attention
        for_query = for_key * config.head_dim**-0.5
        return cls(
            ((cos * for_query).to(dtype), (sin * for_query).to(dtype)),
            ((cos * for_key).to(dtype), (sin * for_key).to(dtype)),
        )


class RMSNorm(nn.Module):
    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight, self.eps)


class Attention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
        hidden, size, bias = config.hidden_size, config.head_dim, config.qkv_bias
        self.q_proj = nn.Linear(hidden, heads * size, bias=bias)
        self.k_proj = nn.Linear(hidden, kv_heads * size, bias=bias)
        self.v_proj = nn.Linear(hidden, kv_heads * size, bias=bias)
        self.o_proj = nn.Linear(heads * size, hidden, bias=config.output_bias)
        self.q_norm = RMSNorm(size, config.rms_norm_eps) if config.qk_norm else None
        self.k_norm = RMSNorm(size, config.rms_norm_eps) if config.qk_norm else None

    def forward(self, x: Tensor, angles: Angles, index: int, attend: Attend) -> Tensor:
        """`x` [N, H], before and after."""
        query, key, value = (
            project(x).unflatten(-1, (-1, self.head_dim))
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        if self.q_norm is not None and self.k_norm is not None:
            query, key = self.q_norm(query), self.k_norm(key)
        query, key = rotate(query, *angles.query), rotate(key, *angles.key)
        mixed: Tensor = self.o_proj(attend(index, query, key, value).flatten(-2))
        return mixed


class GatedMLP(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        hidden, inner, bias = config.hidden_size, config.intermediate_size, config.mlp_bias
        self.gate_proj = nn.Linear(hidden, inner, bias=bias)
        self.up_proj = nn.Linear(hidden, inner, bias=bias)
        self.down_proj = nn.Linear(inner, hidden, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Layer(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = GatedMLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(
        self, hidden: Tensor, angles: Angles, index: int, attend: Attend, rows: Tensor | None
    ) -> Tensor:
        """`hidden` [N, H] -> [N, H], or [R, H] of the tokens `rows` [R]."""
        mixed = self.self_attn(self.input_layernorm(hidden), angles, index, attend)
        if rows is not None:
            hidden, mixed = hidden[rows], mixed[rows]
        hidden = hidden + mixed
        out: Tensor = hidden + self.mlp(self.post_attention_layernorm(hidden))
        return out


__all__ = ["Angles", "Attend", "Attention", "Layer", "RMSNorm"]
