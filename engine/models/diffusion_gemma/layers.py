"""The layers of DiffusionGemma, in plain torch. Names are those of the checkpoint."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from engine.models.diffusion_gemma.config import SLIDING, Config
from kernels.experts import experts, gelu
from kernels.norm import branch_norms, merge_norms, rms_norm
from kernels.rotary import norm_rotate
from kernels.router import route

# How a layer attends: (layer index, query, key, value), [B, heads, T, D] each -> [B, heads, T, D]
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]


class RMSNorm(nn.Module):
    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight, self.eps)


class Attention(nn.Module):
    """q/k/v with norms on each; full layers have no v_proj, their V is the raw k_proj output."""

    def __init__(self, config: Config, kind: str) -> None:
        super().__init__()
        sliding = kind == SLIDING
        self.head_dim = config.head_dim if sliding else config.global_head_dim
        self.heads = config.num_attention_heads
        self.eps = config.rms_norm_eps
        kv_heads = config.num_key_value_heads if sliding else config.num_global_key_value_heads
        self.kv_heads = kv_heads
        hidden = config.hidden_size
        self.q_proj = nn.Linear(hidden, self.heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(hidden, kv_heads * self.head_dim, bias=False)
        self.v_proj = nn.Linear(hidden, kv_heads * self.head_dim, bias=False) if sliding else None
        self.o_proj = nn.Linear(self.heads * self.head_dim, hidden, bias=False)
        self.q_norm = RMSNorm(self.head_dim, config.rms_norm_eps)
        self.k_norm = RMSNorm(self.head_dim, config.rms_norm_eps)

    def forward(
        self, x: Tensor, angles: tuple[Tensor, Tensor], index: int, attend: Attend
    ) -> Tensor:
        shape = (*x.shape[:-1], self.heads, self.head_dim)  # [B, T, heads, D]
        kv_shape = (*x.shape[:-1], self.kv_heads, self.head_dim)
        raw_query = self.q_proj(x).view(shape)
        raw_key = self.k_proj(x).view(kv_shape)
        raw_value = self.v_proj(x).view(kv_shape) if self.v_proj is not None else raw_key
        weights = self.q_norm.weight, self.k_norm.weight
        query, key, value = norm_rotate(raw_query, raw_key, raw_value, *weights, angles, self.eps)
        out = attend(index, query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2))
        mixed: Tensor = self.o_proj(out.transpose(1, 2).flatten(-2))
        return mixed


class GatedMLP(nn.Module):
    def __init__(self, hidden: int, intermediate: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden, intermediate, bias=False)
        self.up_proj = nn.Linear(hidden, intermediate, bias=False)
        self.down_proj = nn.Linear(intermediate, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = gelu(self.gate_proj(x))
        out: Tensor = self.down_proj(gate * self.up_proj(x))
        return out


class Router(nn.Module):
    """Top-k experts of each token, weights renormalised over the k, then scaled per expert."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.top_k = config.top_k_experts
        self.eps = config.rms_norm_eps
        self.proj = nn.Linear(config.hidden_size, config.num_experts, bias=False)
        self.scale = nn.Parameter(torch.ones(config.hidden_size))
        self.per_expert_scale = nn.Parameter(torch.ones(config.num_experts))

    def forward(self, residual: Tensor) -> tuple[Tensor, Tensor]:
        """Index and weight, [N, K] each, from the raw residual [N, H] (not the normed state)."""
        weights = self.scale, self.proj.weight, self.per_expert_scale
        return route(residual, *weights, self.top_k, self.eps)


class Experts(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        count, hidden, inner = config.num_experts, config.hidden_size, config.moe_intermediate_size
        self.gate_up_proj = nn.Parameter(torch.empty(count, 2 * inner, hidden))
        self.down_proj = nn.Parameter(torch.empty(count, hidden, inner))

    def forward(self, x: Tensor, index: Tensor, weight: Tensor) -> Tensor:
        return experts(x, self.gate_up_proj, self.down_proj, index, weight)


class Layer(nn.Module):
    """Attention, then a dense MLP and routed experts in parallel, each with its own norms."""

    layer_scalar: Tensor

    def __init__(self, config: Config, kind: str) -> None:
        super().__init__()

        def norm() -> RMSNorm:
            return RMSNorm(config.hidden_size, config.rms_norm_eps)

        self.eps = config.rms_norm_eps
        self.self_attn = Attention(config, kind)
        self.mlp = GatedMLP(config.hidden_size, config.intermediate_size)
        self.router = Router(config)
        self.experts = Experts(config)
        self.input_layernorm = norm()
        self.post_attention_layernorm = norm()
        self.pre_feedforward_layernorm = norm()
        self.post_feedforward_layernorm = norm()
        self.post_feedforward_layernorm_1 = norm()
        self.pre_feedforward_layernorm_2 = norm()
        self.post_feedforward_layernorm_2 = norm()
        self.register_buffer("layer_scalar", torch.ones(1))

    def forward(
        self,
        hidden: Tensor,
        angles: tuple[Tensor, Tensor],
        index: int,
        attend: Attend,
        places: Tensor | None,
    ) -> Tensor:
        """`hidden` [B, T, H] -> [B, T, H], or [B, M, H] at `places`."""
        mixed = self.self_attn(self.input_layernorm(hidden), angles, index, attend)
        if places is not None:
            hidden, mixed = at_places(hidden, places), at_places(mixed, places)
        before = self.pre_feedforward_layernorm.weight, self.pre_feedforward_layernorm_2.weight
        residual, for_dense, rows, for_routed = branch_norms(
            hidden, mixed, self.post_attention_layernorm.weight, *before, self.eps
        )
        dense = self.mlp(for_dense)
        routed = self.experts(for_routed, *self.router(rows)).view_as(residual)
        after = (
            self.post_feedforward_layernorm_1.weight,
            self.post_feedforward_layernorm_2.weight,
            self.post_feedforward_layernorm.weight,
        )
        return merge_norms(residual, dense, routed, after, self.layer_scalar, self.eps)


class SelfConditioning(nn.Module):
    """Adds what the last step believed to the canvas embeddings, then normalises their sum.

    The closing norm (without weight) applies at the first step too, where the signal is zero; the
    causal pass has no such norm.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.eps = config.rms_norm_eps
        self.pre_norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, embeddings: Tensor, signal: Tensor | None) -> Tensor:
        """`embeddings` and `signal` [B, C, H]."""
        if signal is not None:
            normed = self.pre_norm(signal)
            gate = gelu(self.gate_proj(normed))
            embeddings = embeddings + self.down_proj(gate * self.up_proj(normed))
        return rms_norm(embeddings, None, self.eps)


def at_places(x: Tensor, places: Tensor) -> Tensor:
    """`x` [B, T, H] at `places` [B, M]: [B, M, H]."""
    return x.gather(1, places[..., None].expand(-1, -1, x.shape[-1]))
