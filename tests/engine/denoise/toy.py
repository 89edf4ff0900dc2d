"""A model that is one formula, and draws that are given: what samplers are held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.models.family import Look, Model

V, MASK, DELETE, EXPAND = 23, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Nothing:
    """A prompt of no tokens."""

    length: int = 0

    def crop(self, length: int) -> Nothing:
        return self


class Toy(Model[Nothing]):
    """What stands at a position is told by the tokens up to three places around it; `lean` [V] is
    added to every position's logits."""

    def __init__(self, seed: int = 0, lean: Tensor | None = None) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self._near = 1.5 * torch.randn(7, V, V, generator=draw)
        self._lean = torch.zeros(V) if lean is None else lean

    @property
    def device(self) -> torch.device:
        return self._near.device

    @property
    def dtype(self) -> torch.dtype:
        return self._near.dtype

    def encode(self, ids: Tensor, context: Nothing | None = None) -> Nothing:
        return Nothing()

    def logits(self, text: list[int]) -> Tensor:
        """[T, V]"""
        found = self._lean.repeat(len(text), 1)
        for at in range(len(text)):
            for offset in range(-3, 4):
                if 0 <= at + offset < len(text):
                    found[at] += self._near[offset + 3, text[at + offset]]
        found[:, MASK] = -torch.inf
        return found

    def look(self, looks: Sequence[Look[Nothing]]) -> list[Tensor]:
        return [self._look(look) for look in looks]

    def _look(self, look: Look[Nothing]) -> Tensor:
        width = look.canvas.shape[1]
        lengths = look.lengths or (width,) * len(look.canvas)
        rows = []
        for row, length, at in zip(look.canvas.tolist(), lengths, look.positions, strict=True):
            rows.append(self.logits(row[:length])[at])
        return torch.stack(rows)


class Given:
    """Draws of a seed, and masks for noise."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def ids(self, *shape: int) -> Tensor:
        return torch.full(shape, MASK)

    def race(self, *shape: int) -> Tensor:
        return torch.empty(shape).exponential_(generator=self._generator)


NO_BAN: Any = torch.zeros(V, dtype=torch.bool)
