"""How the holes of a canvas change their length while they are denoised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

Span = tuple[int, int]


def spans_of(lengths: Sequence[int]) -> list[Span]:
    """Where holes of these `lengths` are among a row's open positions."""
    ends = list(accumulate(lengths))
    return list(zip([0, *ends], ends, strict=False))


@dataclass(frozen=True, slots=True)
class Edits:
    """What becomes of the open positions of a batch of canvases.

    `sources[row][hole]` lists, for each position that the hole will have, which of the row's open
    positions it was; None for a new one, which nothing is known of.
    """

    sources: tuple[tuple[tuple[int | None, ...], ...], ...]

    @property
    def holes(self) -> tuple[tuple[int, ...], ...]:
        """The lengths that holes will have, row by row."""
        return tuple(tuple(map(len, row)) for row in self.sources)

    @property
    def width(self) -> int:
        """The most open positions that a row will have, and at least one."""
        return max(1, *(sum(lengths) for lengths in self.holes))

    def real(self, device: torch.device) -> Tensor:
        """[B, M'], False where a row has fewer open positions than others."""
        counts = torch.tensor([[sum(lengths)] for lengths in self.holes], device=device)
        return torch.arange(self.width, device=device) < counts

    def gather(self, values: Tensor, new: Tensor | float) -> Tensor:
        """`values` [B, M] or [B, M, V] as the positions are numbered afterwards, `new` where one is
        new and where a row has fewer than others: [B, M'] or [B, M', V]."""
        rows = [list(_padded(row, self.width)) for row in self.sources]
        index = torch.tensor(rows, device=values.device)
        apart = index.view(*index.shape, *[1] * (values.ndim - 2))
        taken = values.gather(1, apart.clamp_min(0).expand(-1, -1, *values.shape[2:]))
        return torch.where(apart < 0, torch.as_tensor(new, device=values.device), taken).to(
            values.dtype
        )


def _padded(row: Sequence[Sequence[int | None]], width: int) -> Iterator[int]:
    known = [-1 if source is None else source for hole in row for source in hole]
    yield from known
    yield from [-1] * (width - len(known))


__all__ = ["Edits", "Span", "spans_of"]
