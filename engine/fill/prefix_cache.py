"""The encoder's keys and values, kept from one request to the next.

Typing changes the end of the prompt, so the next request re-encodes only what follows the longest
common prefix. Each editor window has its own prompt, so each has its own cache.

Prompts are encoded in blocks, always the same ones, and whole blocks are kept: sums of another
shape round otherwise, and a fill must not depend on what was asked before it. A block costs hardly
more than its last token does.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch

from engine.api import Cancelled, IsCancelled
from engine.models.family import Context, Model

# Tokens, of all windows together. DiffusionGemma's keys and values take about 0.2 MB a token.
KEPT_TOKENS = 16384
BLOCK = 128


class PrefixCaches:
    """A PrefixCache per window. Beyond `budget` tokens the windows used longest ago lose theirs;
    the current one never does. Not thread-safe: one fill at a time."""

    def __init__(self, model: Model[Any], budget: int = KEPT_TOKENS) -> None:
        self._model = model
        self._budget = budget
        self._caches: OrderedDict[str, PrefixCache] = OrderedDict()

    def encode(
        self, ids: list[int], cancelled: IsCancelled | None = None, window: str = ""
    ) -> Context:
        """The context of exactly `ids`, built on this window's last one. Raises Cancelled when
        `cancelled()` is true before a block."""
        current = self._caches.setdefault(window, PrefixCache(self._model))
        self._caches.move_to_end(window)
        kept = self.tokens - len(current)
        while len(self._caches) > 1 and kept + len(ids) > self._budget:
            _, left = self._caches.popitem(last=False)  # first, so that both never lie side by side
            kept -= len(left)
        return current.encode(ids, cancelled)

    @property
    def tokens(self) -> int:
        return sum(len(cache) for cache in self._caches.values())


class PrefixCache:
    """Remembers the last prompt's keys and values. Not thread-safe: one fill at a time."""

    def __init__(self, model: Model[Any]) -> None:
        self._model = model
        self._ids: list[int] = []
        self._cache: Context | None = None

    def __len__(self) -> int:
        """Tokens that are kept."""
        return self._cache.length if self._cache is not None else 0

    def encode(self, ids: list[int], cancelled: IsCancelled | None = None) -> Context:
        """The cache of exactly `ids` (which may be empty). What is done when it is cancelled stays
        for the next one."""
        if self._cache is not None and ids == self._ids:
            return self._cache
        same = common_prefix(self._ids, ids) // BLOCK * BLOCK
        cache = self._cache.crop(same) if self._cache is not None and same else None
        self._ids, self._cache = [], None  # its memory goes as soon as the longer one is made
        fresh = torch.tensor(ids[same:], dtype=torch.long, device=self._model.device)
        for block in fresh.split(BLOCK):  # an empty prompt has one, empty
            if cancelled is not None and cancelled():
                if cache is not None:
                    self._ids, self._cache = ids[: cache.length], cache
                raise Cancelled("the fill was cancelled")
            cache = self._model.encode(block, cache)
        assert cache is not None
        self._ids, self._cache = list(ids), cache
        return cache


def common_prefix(first: list[int], second: list[int]) -> int:
    """How many leading tokens agree."""
    shorter = min(len(first), len(second))
    for index in range(shorter):
        if first[index] != second[index]:
            return index
    return shorter
