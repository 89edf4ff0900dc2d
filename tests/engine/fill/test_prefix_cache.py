"""Keys and values that were kept are those of the whole prompt, and little is computed anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.api import Cancelled
from engine.fill import prefix_cache
from engine.fill.prefix_cache import PrefixCache, PrefixCaches, common_prefix
from engine.models.diffusion_gemma import DiffusionGemma, KVCache

CANVAS = torch.arange(300, 312)[None]
LONG = list(range(100, 260))  # longer than the sliding window


@dataclass(frozen=True, slots=True)
class Case:
    """Prompts one after another, and how many tokens each makes the model encode."""

    name: str
    prompts: list[list[int]]
    encoded: list[int]


CASES = [  # in blocks of 16
    Case("typing at the end", [LONG[:150], LONG[:153], LONG], [150, 9, 16]),
    Case("the same again", [LONG, LONG, LONG], [160, 0, 0]),
    Case("an edit far above", [LONG, [*LONG[:20], 5, *LONG[20:]]], [160, 145]),
    Case("an edit of the last token", [LONG, [*LONG[:-1], 5]], [160, 16]),
    Case("something else", [LONG[:9], LONG[9:20]], [9, 11]),
    Case("a shorter prompt", [LONG, LONG[:70], LONG[:70]], [160, 6, 0]),
    Case("shorter by whole blocks", [LONG, LONG[:64]], [160, 0]),
    Case("shorter, then longer again", [LONG, LONG[:70], LONG[:90]], [160, 6, 26]),
    Case("empty at first", [[], LONG[:5]], [0, 5]),
    Case("empty later", [LONG[:5], [], [], LONG[:6]], [5, 0, 0, 6]),
    Case("one token", [[7], [8]], [1, 1]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_kept_keys_are_those_of_the_whole_prompt(
    case: Case, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefix_cache, "BLOCK", 16)
    model: DiffusionGemma = tiny.model
    assert model.config.sliding_window < len(LONG)
    kept = PrefixCache(model)
    for prompt, expected in zip(case.prompts, case.encoded, strict=True):
        encoded = 0

        def count(ids: Tensor, *cache: Any) -> KVCache:
            nonlocal encoded
            encoded += ids.numel()
            return DiffusionGemma.encode(model, ids, *cache)

        with monkeypatch.context() as patch:
            patch.setattr(model, "encode", count)
            cache = kept.encode(prompt)
        assert encoded == expected
        assert len(kept) == cache.length == len(prompt)
        check_logits(model, cache, prompt)
        # To the last bit what it is when nothing was kept: a fill depends on its request alone.
        for one, two in zip(cache.keys, PrefixCache(model).encode(prompt).keys, strict=True):
            assert torch.equal(one, two)


def check_logits(model: DiffusionGemma, cache: KVCache, prompt: list[int]) -> None:
    """As with the whole prompt encoded in one go."""
    whole = model.encode(torch.tensor(prompt, dtype=torch.long))
    torch.testing.assert_close(
        model.decode(CANVAS, cache), model.decode(CANVAS, whole), atol=1e-5, rtol=0
    )


def test_the_callers_list_is_not_kept(tiny: Any) -> None:
    prompt = [5, 6, 7]
    kept = PrefixCache(tiny.model)
    kept.encode(prompt)
    prompt[0] = 9
    check_logits(tiny.model, kept.encode(prompt), prompt)


def test_a_failure_leaves_the_last_prompt_kept(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = PrefixCache(tiny.model)
    kept.encode([5, 6, 7])

    def fail(*_: Any) -> Any:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(tiny.model, "encode", fail)
        with pytest.raises(MemoryError):
            kept.encode([5, 6, 8, 9])
    check_logits(tiny.model, kept.encode([5, 6, 7, 8]), [5, 6, 7, 8])


def test_windows_keep_their_own(tiny: Any) -> None:
    """Until there is too much of it: then the one used longest ago has to go."""
    kept = PrefixCaches(tiny.model, budget=25)
    for window, size, tokens in [
        ("a", 10, 10),
        ("b", 10, 20),
        ("a", 12, 22),
        ("c", 10, 22),  # b has gone
        ("b", 10, 20),  # a has gone
        ("d", 40, 40),  # too much, but it is the one in use
        ("e", 1, 1),
    ]:
        check_logits(tiny.model, kept.encode(LONG[:size], window=window), LONG[:size])
        assert kept.tokens == tokens


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [([], [], 0), ([1], [], 0), ([1, 2], [1, 2], 2), ([1, 2, 3], [1, 2], 2), ([1, 2], [3, 2], 0)],
)
def test_common_prefix(first: list[int], second: list[int], expected: int) -> None:
    assert common_prefix(first, second) == common_prefix(second, first) == expected


def test_what_was_encoded_before_a_cancel_stays(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix_cache, "BLOCK", 16)
    kept, asked = PrefixCache(tiny.model), iter([False, False, True])
    with pytest.raises(Cancelled):
        kept.encode(LONG, lambda: next(asked))
    assert len(kept) == 32
    whole = PrefixCache(tiny.model).encode(LONG)
    for one, two in zip(kept.encode(LONG).keys, whole.keys, strict=True):
        assert torch.equal(one, two)
