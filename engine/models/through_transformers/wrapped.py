"""What any model of `transformers` is to the rest of the engine: a prompt is its tokens."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from engine.models.dense import Text
from engine.models.family import Look, Model
from engine.models.through_transformers.config import Config
from engine.models.through_transformers.rows import by_length


class Wrapped(Model[Text]):
    config: Config

    def __init__(self, config: Config, inner: Any) -> None:
        super().__init__()
        self.config = config
        self.inner = inner

    @property
    def device(self) -> torch.device:
        return torch.device(self.inner.device)

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.inner.dtype
        return dtype

    def encode(self, ids: Tensor, context: Text | None = None) -> Text:
        return Text(ids if context is None else torch.cat((context.ids, ids)))

    @torch.no_grad()
    def look(self, looks: Sequence[Look[Text]]) -> list[Tensor]:
        return [by_length(look, self._look) for look in looks]

    @abstractmethod
    def _look(self, look: Look[Text]) -> Tensor:
        """The logits [B, M, V] of canvases of one length."""
        ...


__all__ = ["Wrapped"]
