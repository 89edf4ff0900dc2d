"""Lengths that are searched, fixed and told by an oracle, with a random model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from engine.api import EngineInfo
from engine.evaluation.items import Item
from engine.evaluation.methods import METHODS, Filler, fixed_length
from engine.infill import EMBEDDED, LocalEngine
from engine.models.diffusion_gemma import Config, DiffusionGemma
from engine.profile import UNTRAINED_FOR_GAPS
from engine.prompt import encode
from engine.tokenizer import read_tokenizer
from engine.training.initial import initialise
from tests.engine.checkpoints.writer import CONFIG

PROFILE = replace(
    UNTRAINED_FOR_GAPS, canvas_tokens=64, head_tokens=16, line_tokens=(3, 5, 9), steps=2
)
ITEM = Item("one", "total = ", "\nprint(total)\n", "first + second + third", "python", False)


class Watched(LocalEngine):
    """Remembers the lengths of the candidates it lays out."""

    def _layouts(self, prompt: Any, lengths: Sequence[int]) -> Any:
        self.lengths = list(lengths)
        return super()._layouts(prompt, lengths)


@pytest.fixture(scope="module")
def engine() -> Watched:
    text = {**CONFIG["text_config"], "vocab_size": 4200}
    model = DiffusionGemma(Config.from_json({**CONFIG, "text_config": text}))
    model = initialise(model, 3).eval().requires_grad_(False)
    tokenizer = read_tokenizer(EMBEDDED / "tokenizer.json")
    return Watched(model, tokenizer, PROFILE, EngineInfo("random", "cpu"))


@pytest.mark.parametrize("method", METHODS)
@torch.no_grad()
def test_the_lengths_of_a_method(method: str, engine: Watched) -> None:
    fill = Filler(engine).fill(ITEM, method)
    oracle = len(encode(engine.tokenizer, ITEM.solution))
    expected = {"searched": [3, 5, 9], "fixed": [5], "oracle": [oracle]}
    assert engine.lengths == expected[method]
    assert fill.steps == 2
    assert engine.profile == PROFILE


def test_the_fixed_length_is_the_middle_one() -> None:
    assert fixed_length(PROFILE, block=False) == 5
    assert fixed_length(PROFILE, block=True) == 48
