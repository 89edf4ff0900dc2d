"""The keys and values of a prompt."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class KVCache:
    """What `encode` wrote: per layer keys and values, each [1, kv heads, length, head_dim].

    Every layer keeps its whole length, sliding ones too, so that `crop` can go back to any point.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]

    @property
    def length(self) -> int:
        return self.keys[0].shape[2] if self.keys else 0

    def crop(self, length: int) -> KVCache:
        """The cache of the first `length` tokens; shares memory."""
        return KVCache(
            tuple(key[:, :, :length] for key in self.keys),
            tuple(value[:, :, :length] for value in self.values),
        )
