"""Every window has a prompt of its own, and what is kept for all of them has a budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from engine.fill import prefix_cache
from engine.fill.prefix_cache import PrefixCaches
from engine.models.diffusion_gemma import KVCache


@dataclass(frozen=True, slots=True)
class Case:
    """(window, prompt length) one after another, and how many tokens each makes the model encode.

    A window's prompts begin alike, and differ from every other window's.
    """

    name: str
    turns: list[tuple[str, int]]
    encoded: list[int]
    budget: int = 100


CASES = [
    Case("a window types on", [("a", 40), ("a", 41)], [40, 1]),
    Case("two windows in turn", [("a", 40), ("b", 50), ("a", 41), ("b", 52)], [40, 50, 1, 2]),
    Case("beyond the budget", [("a", 60), ("b", 60), ("a", 61)], [60, 60, 61]),
    Case(
        "the one used longest ago goes",
        [("a", 40), ("b", 40), ("a", 41), ("c", 40), ("a", 42), ("b", 41)],
        [40, 40, 1, 40, 1, 41],
    ),
    Case("the current one stays", [("a", 150), ("a", 151)], [150, 1]),
    Case("and drives all others out", [("a", 9), ("b", 150), ("b", 151), ("a", 9)], [9, 150, 1, 9]),
    Case("nothing is kept of nothing", [("a", 0), ("b", 90), ("a", 9)], [0, 90, 9]),
]


def prompt(window: str, length: int) -> list[int]:
    return [5 + (ord(window) + at) % 80 for at in range(length)]


class Counting:
    """A model whose keys are the ids themselves."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, ids: torch.Tensor, cache: KVCache | None = None) -> KVCache:
        self.encoded += ids.numel()
        keys = ids.reshape(1, 1, -1, 1)
        if cache is not None:
            keys = torch.cat([cache.keys[0], keys], dim=2)
        return KVCache((keys,), (keys,))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_windows_keep_their_own(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix_cache, "BLOCK", 1)
    model: Any = Counting()
    kept = PrefixCaches(model, case.budget)
    for (window, length), expected in zip(case.turns, case.encoded, strict=True):
        model.encoded = 0
        cache = kept.encode(prompt(window, length), window=window)
        assert model.encoded == expected
        assert cache.keys[0].flatten().tolist() == prompt(window, length)
        assert kept.tokens <= max(case.budget, length)
