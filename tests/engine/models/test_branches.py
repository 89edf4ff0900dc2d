"""Rows that begin alike, scored as one, against each of them scored alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from engine.models.branches import Branches
from engine.models.diffusion_gemma.fused import fuse

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
    name: str,
    past: int,
    rows: list[list[int]],
    fused: bool,
    oracle: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = oracle("two experts, both used").ours()
    model = fuse(model) if fused else model
    cache = model.encode(torch.arange(past) % 97)
    branches = Branches.of(rows, pad=0, grain=32, device=torch.device("cpu"))
    monkeypatch.setattr("engine.models.scores.SLICE", 4)  # so that there are several
    at = [place for path in branches.paths for place in path[:-1]]
    tokens = [token for row in rows for token in row[1:]]
    found = iter(model.score_branches(branches, cache.length, cache, at, tokens))
    for row, path in zip(rows, branches.paths, strict=True):
        assert branches.ids[path].tolist() == row
        alone = model.score(torch.tensor([row]), cache)[0].log_softmax(dim=-1)
        for place, token in enumerate(row[1:]):
            torch.testing.assert_close(next(found), alone[place, token], atol=1e-4, rtol=0)


def test_what_rows_share_is_there_once() -> None:
    rows = [[5, 6, 7, 8], [5, 6], [5, 6, 9, 8], [5, 6, 9, 10]]
    branches = Branches.of(rows, pad=0, grain=8, device=torch.device("cpu"))
    assert branches.ids.tolist() == [5, 6, 7, 8, 9, 8, 10, 0]
    assert {tuple(path[:2]) for path in branches.paths} == {(0, 1)}
    assert branches.sees[5].tolist() == [True, True, False, False, True, True, False, False]
