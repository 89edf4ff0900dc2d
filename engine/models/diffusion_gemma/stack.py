"""The one stack of layers that every pass of DiffusionGemma runs, and what leads in and out of it:
embeddings, angles, logits, self-conditioning. What a query sees is the pass's own (`Attend`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from engine.models.diffusion_gemma.config import SLIDING, Config
from engine.models.diffusion_gemma.layers import Attend, Layer, RMSNorm, SelfConditioning
from engine.models.family import Model, unset_embedding
from engine.models.kv_cache import KVCache
from kernels.rotary import rotary_angles, rotary_frequencies

# The rows of a product are a multiple of it: in bfloat16 a CPU compiles each product anew for each
# number of rows, and keeps what it compiled.
GRAIN = 32


class Stack(Model[KVCache]):
    """Module names are those of the checkpoint below `model.decoder.`."""

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = unset_embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config, kind) for kind in config.layer_types)
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_conditioning = SelfConditioning(config)
        # (positions [T], frequencies, dtype) -> what the layers turn queries and keys by
        self.rotary: Callable[[Tensor, Tensor, torch.dtype], Any] = rotary_angles
        self._frequencies: dict[tuple[str, torch.device], Tensor] = {}

    @property
    def device(self) -> torch.device:
        return self.embed_tokens.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.embed_tokens.weight.dtype

    def signal(self, beliefs: Tensor, canvas: Tensor, positions: Tensor, real: Tensor) -> Tensor:
        """[B, C, H]: the expected embeddings of open positions, and of pinned ones their own."""
        return self.signal_of(self.soft_embedding(beliefs), canvas, positions, real)

    def signal_of(self, soft: Tensor, canvas: Tensor, positions: Tensor, real: Tensor) -> Tensor:
        """As `signal`, of the expected embeddings `soft` [B, M, H]."""
        # A repeated position carries what its row's last real one does.
        last = (real.sum(dim=-1) - 1).clamp_min(0)[:, None, None]
        spare = soft.gather(1, last.expand(-1, 1, soft.shape[-1]))
        soft = torch.where(real[..., None], soft, spare)
        index = positions[..., None].expand_as(soft)
        return self.embed(canvas).scatter(1, index, soft)

    def soft_embedding(self, logits: Tensor) -> Tensor:
        """The expected embedding under softmax(logits), [.., V] -> [.., H]."""
        probabilities = logits.softmax(dim=-1, dtype=torch.float32).to(self.dtype)
        return probabilities @ self.embed_tokens.weight * self._embed_scale()

    def embed(self, ids: Tensor) -> Tensor:
        """Token embeddings, scaled by sqrt(hidden) as both passes use them."""
        scaled: Tensor = self.embed_tokens(ids) * self._embed_scale()
        return scaled

    def logits(self, hidden: Tensor) -> Tensor:
        """Final norm is already in `hidden`; the tied head, then the softcap in float32."""
        cap = self.config.final_logit_softcapping
        rows = hidden.to(self.dtype).flatten(0, -2)
        padded = nn.functional.pad(rows, (0, 0, 0, -len(rows) % GRAIN))
        raw = nn.functional.linear(padded, self.embed_tokens.weight)[: len(rows)].float()
        raw = raw.reshape(*hidden.shape[:-1], self.config.vocab_size)
        capped: Tensor = raw.div_(cap).tanh_()
        return capped * cap if torch.is_grad_enabled() else capped.mul_(cap)

    def run(
        self, hidden: Tensor, positions: Tensor, attend: Attend, places: Tensor | None = None
    ) -> Tensor:
        """The stack of layers and the final norm over `hidden` [B, T, H]; with `places` [B, M],
        only those positions come out, [B, M, H], and the last layer spares itself the others."""
        angles = self._angles(positions)
        *before, last = enumerate(zip(self.layers, self.config.layer_types, strict=True))
        for index, (layer, kind) in before:
            hidden = layer(hidden, angles[kind], index, attend, None)
        index, (layer, kind) = last
        hidden = layer(hidden, angles[kind], index, attend, _in_grains(places))
        normed: Tensor = self.norm(hidden)
        return normed if places is None else normed[:, : places.shape[1]]

    def _embed_scale(self) -> Tensor:
        # Cast before multiplying, as the reference does: in bfloat16 sqrt(2816) is rounded.
        # Filled there, not copied there: a CUDA graph can hold it.
        return torch.full((), self.config.hidden_size**0.5, device=self.device).to(self.dtype)

    def _angles(self, positions: Tensor) -> dict[str, Any]:
        return {
            kind: self.rotary(positions, self._frequency(kind), self.dtype)
            for kind in set(self.config.layer_types)
        }

    def _frequency(self, kind: str) -> Tensor:
        known = self._frequencies.get((kind, self.device))
        if known is None:
            config = self.config
            head_dim = config.head_dim if kind == SLIDING else config.global_head_dim
            rope = config.rope[kind]
            known = rotary_frequencies(head_dim, rope.theta, rope.rotated).to(self.device)
            self._frequencies[kind, self.device] = known
        return known


def _in_grains(places: Tensor | None) -> Tensor | None:
    """`places` [B, M] and as many more as make the rows of all of them a multiple of the grain."""
    if places is None:
        return None
    grain = GRAIN // math.gcd(len(places), GRAIN)
    return nn.functional.pad(places, (0, -places.shape[1] % grain))
