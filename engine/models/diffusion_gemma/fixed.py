"""A look whose tensors never move: what a CUDA graph of a denoising step holds of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.models.diffusion_gemma.config import SLIDING
from engine.models.family import FixedSize
from engine.models.kv_cache import KVCache
from kernels.attention import canvas_attention
from kernels.vocabulary import Beliefs, Outlook, vocabulary

if TYPE_CHECKING:
    from engine.models.diffusion_gemma.model import DiffusionGemma


class GemmaLook:
    """As engine.models.family.FixedLook says. `signal` [B, C, H]."""

    def __init__(self, model: DiffusionGemma, size: FixedSize) -> None:
        self._model, self._size = model, size
        device, config = model.device, model.config

        def zeros(*shape: int, dtype: torch.dtype) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=device)

        self.ids = zeros(size.batch, size.canvas, dtype=torch.int64)
        self.positions = zeros(size.batch, size.positions, dtype=torch.int64)
        self.signal = zeros(size.batch, size.canvas, config.hidden_size, dtype=model.dtype)
        self._length = zeros(1, dtype=torch.int32)
        shapes = [config.kv_shape(kind) for kind in config.layer_types]
        self._keys, self._values = (
            [zeros(1, heads, size.bucket, each, dtype=model.dtype) for heads, each in shapes]
            for _ in range(2)
        )

    def load(self, context: KVCache) -> None:
        if context.length > self._size.bucket:
            raise ValueError(f"{context.length} tokens do not fit into {self._size.bucket}")
        self._length.fill_(context.length)
        for room, given in zip(
            (*self._keys, *self._values), (*context.keys, *context.values), strict=True
        ):
            room[:, :, : context.length].copy_(given)

    def believe(self, first: bool, temperature: Tensor, seed: Tensor, banned: Tensor) -> Beliefs:
        model, config = self._model, self._model.config
        hidden = model.self_conditioning(model.embed(self.ids), None if first else self.signal)
        places = self._length + torch.arange(self._size.canvas, device=model.device)

        def attend(index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            slides = config.layer_types[index] == SLIDING
            seen = config.sliding_window - 1 if slides else self._size.bucket
            rooms = self._keys[index], self._values[index]
            return canvas_attention(query, key, value, *rooms, seen, self._length)

        hidden = model.run(hidden, places, attend)
        at = self.positions[..., None].expand(-1, -1, config.hidden_size)
        return vocabulary(
            hidden.gather(1, at).flatten(0, 1),
            model.embed_tokens.weight,
            Outlook(
                temperature=temperature,
                seed=seed,
                softcap=config.final_logit_softcapping,
                embed_scale=config.hidden_size**0.5,
                banned=banned,
            ),
        )

    def listen(self, beliefs: Beliefs, real: Tensor) -> None:
        assert beliefs.embedding is not None
        soft = beliefs.embedding.view(*self.positions.shape, -1)
        self.signal.copy_(self._model.signal_of(soft, self.ids, self.positions, real))
