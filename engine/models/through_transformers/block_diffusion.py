"""A *ForBlockDiffusion of `transformers`: its encoder reads the prompt, its decoder the canvas.

The prompt is read anew for each fill, and what was read is kept for all looks of it.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from engine.models.dense import Text
from engine.models.family import Look
from engine.models.through_transformers.library import transformers
from engine.models.through_transformers.wrapped import Wrapped

READ = "what transformers' encoder read"  # in the memory of a fill


class BlockDiffusion(Wrapped):
    def signal(self, beliefs: Tensor, canvas: Tensor, positions: Tensor, real: Tensor) -> Tensor:
        """Logits [B, C, V] whose softmax are the beliefs, and certainty of what is pinned."""
        least = torch.finfo(torch.float32).min
        told = torch.full((*canvas.shape, beliefs.shape[-1]), least, device=canvas.device)
        told.scatter_(-1, canvas[..., None], 0.0)
        row, at = real.nonzero(as_tuple=True)
        told[row, positions[row, at]] = beliefs[row, at].float().clamp_min(least)
        return told

    def _look(self, look: Look[Text]) -> Tensor:
        read = look.memory.get(READ)
        if read is None:
            read = look.memory[READ] = self._read(look.context)
        rows = len(look.canvas)
        cache = read
        if rows > 1:
            cache = copy.deepcopy(read)
            cache.batch_repeat_interleave(rows)
        logits: Tensor = self.inner(
            decoder_input_ids=look.canvas,
            past_key_values=cache,
            self_conditioning_logits=look.signal,
        ).logits
        at = look.positions[..., None].expand(-1, -1, logits.shape[-1])
        wanted: Tensor = logits.gather(1, at).float()
        return wanted

    def _read(self, prompt: Text) -> Any:
        config = self.inner.config
        cache = transformers().DynamicCache(config=getattr(config, "text_config", config))
        self.inner.model.encoder(input_ids=prompt.ids[None], past_key_values=cache)
        return cache


__all__ = ["BlockDiffusion"]
