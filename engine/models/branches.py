"""Texts that begin alike as one row of tokens: what they share is computed once, and none is padded
to the length of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Branches:
    """What all rows begin with (`shared` tokens), then what each of them goes on with.

    `ids` [T]; `depth` [T] is the place of each token in its own row; `sees` [T, T] is True where
    the second token stands at or before the first in a row of both. `paths` says where in `ids` the
    tokens of each row are.
    """

    ids: Tensor
    depth: Tensor
    sees: Tensor
    shared: int
    paths: list[list[int]]

    @classmethod
    def of(
        cls, rows: Sequence[Sequence[int]], pad: int, grain: int, device: torch.device
    ) -> Branches:
        """`ids` are filled up to a multiple of `grain` with a row of `pad` that is none of them."""
        shared = min(_common(rows[0], row) for row in rows)
        rests = [row[shared:] for row in rows]
        spare = -(shared + sum(map(len, rests))) % grain
        ids, owner = list(rows[0][:shared]), [-1] * shared
        depth = list(range(shared))
        paths = []
        for number, rest in enumerate([*rests, [pad] * spare]):
            paths.append([*range(shared), *range(len(ids), len(ids) + len(rest))])
            ids += rest
            owner += [number] * len(rest)
            depth += range(shared, shared + len(rest))
        of = torch.tensor(owner, device=device)
        kin = (of[None, :] == -1) | (of[:, None] == of[None, :])
        return cls(
            ids=torch.tensor(ids, device=device),
            depth=torch.tensor(depth, device=device),
            sees=kin.tril(),
            shared=shared,
            paths=paths[:-1],
        )


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many leading tokens agree."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(first), len(second)))


__all__ = ["Branches"]
