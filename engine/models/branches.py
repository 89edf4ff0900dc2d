"""Texts that begin alike as one tree of tokens: what any of them share is computed once, and none
is padded to the length of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Branches:
    """Rows of tokens as a tree.

    `ids` [T]; `depth` [T] is the place of each token in its row; `sees` [T, T] is True where the
    second token is the first or stands before it in its row. `paths` says where in `ids` the tokens
    of each row are.
    """

    ids: Tensor
    depth: Tensor
    sees: Tensor
    paths: list[list[int]]

    @classmethod
    def of(
        cls, rows: Sequence[Sequence[int]], pad: int, grain: int, device: torch.device
    ) -> Branches:
        """`ids` are filled up to a multiple of `grain` with a row of `pad` that is none of them."""
        ids: list[int] = []
        depth: list[int] = []
        known: dict[tuple[int, int], int] = {}  # (the token before, id) -> where it is
        paths = []
        for row in rows:
            path: list[int] = []
            for place, token in enumerate(row):
                at = known.setdefault((path[-1] if path else -1, token), len(ids))
                if at == len(ids):
                    ids.append(token)
                    depth.append(place)
                path.append(at)
            paths.append(path)
        spare = -len(ids) % grain
        filling = list(range(len(ids), len(ids) + spare))
        sees = torch.zeros(len(ids) + spare, len(ids) + spare, dtype=torch.bool)
        for path in [*paths, filling]:
            sees[torch.tensor(path, dtype=torch.long)[:, None], path] |= torch.ones(
                len(path), len(path), dtype=torch.bool
            ).tril()
        return cls(
            ids=torch.tensor([*ids, *[pad] * spare], device=device),
            depth=torch.tensor([*depth, *range(spare)], device=device),
            sees=sees.to(device),
            paths=paths,
        )


__all__ = ["Branches"]
