"""The encoder's keys and values, kept from one request to the next.

Typing changes the end of the prompt, so the next request re-encodes only what follows the longest
common prefix.
"""

from __future__ import annotations

import torch

from engine.models.diffusion_gemma import DiffusionGemma, KVCache


class PrefixCache:
    """Remembers the last prompt's keys and values. Not thread-safe: one fill at a time."""

    def __init__(self, model: DiffusionGemma) -> None:
        self._model = model
        self._ids: list[int] = []
        self._cache: KVCache | None = None

    def encode(self, ids: list[int]) -> KVCache:
        """The cache of exactly `ids` (which may be empty)."""
        same = common_prefix(self._ids, ids)
        kept = self._cache.crop(same) if self._cache is not None else None
        fresh = torch.tensor(ids[same:], dtype=torch.long, device=self._model.device)
        if kept is None or len(fresh):
            kept = self._model.encode(fresh, kept)
        self._ids, self._cache = list(ids), kept
        return kept


def common_prefix(first: list[int], second: list[int]) -> int:
    """How many leading tokens agree."""
    shorter = min(len(first), len(second))
    for index in range(shorter):
        if first[index] != second[index]:
            return index
    return shorter
