"""Rows that begin alike, scored as one, against each of them scored alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from engine.models.branches import Branches
from engine.models.fused import fuse

CASES = [
    ("all of one beginning", 9, [[5, 6, 7, 8], [5, 6, 9], [5, 6, 7, 9, 10, 11]]),
    ("one is another's beginning", 9, [[5, 6], [5, 6, 7]]),
    ("nothing in common", 9, [[5, 6, 7], [8, 9]]),
    ("a single one", 9, [[5, 6, 7, 8, 9, 10, 11]]),
    ("beyond the window", 30, [[5, *range(20, 40)], [5, *range(40, 70)]]),
    ("after nothing", 0, [[5, 6, 7], [5, 9]]),
]


@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
@pytest.mark.parametrize(("name", "past", "rows"), CASES, ids=[c[0] for c in CASES])
@torch.no_grad()
def test_each_row_as_if_alone(
    name: str, past: int, rows: list[list[int]], fused: bool, oracle: Callable[[str], Any]
) -> None:
    model = oracle("two experts, both used").ours()
    model = fuse(model) if fused else model
    cache = model.encode(torch.arange(past) % 97)
    branches = Branches.of(rows, pad=0, grain=32, device=torch.device("cpu"))
    first = min(1, branches.shared)
    found = model.score_branches(branches, cache, first=first)
    assert len(found) == len(branches.ids) - first
    for row, path in zip(rows, branches.paths, strict=True):
        assert branches.ids[path].tolist() == row
        alone = model.score(torch.tensor([row]), cache)[0]
        shown = [at for at in path if at >= first]
        torch.testing.assert_close(
            found[[at - first for at in shown]], alone[len(path) - len(shown) :], atol=1e-4, rtol=0
        )
