"""Lengths that are searched, fixed and told by an oracle, with a random model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from engine.api import EngineInfo, FillRequest, Shape
from engine.checkpoints.catalog import EMBEDDED_FOLDER
from engine.checkpoints.profile import UNTRAINED_FOR_GAPS
from engine.checkpoints.tokenizer import read_tokenizer
from engine.evaluation.items import Item
from engine.evaluation.methods import METHODS, MOST, TOGETHER, Filler, fixed_length
from engine.fill.candidates import Candidate
from engine.fill.infill import LocalEngine, Rolled
from engine.fill.prompt import encode
from engine.fill.rank import Evidence, Likelihood
from engine.models.diffusion_gemma import Config, DiffusionGemma
from engine.models.diffusion_gemma.training import initialise
from tests.engine.checkpoints.writer import CONFIG

PROFILE = UNTRAINED_FOR_GAPS.but(width=64, head_tokens=16, line_tokens=(3, 5, 9), steps=2)
ITEM = Item("one", "total = ", "\nprint(total)\n", "first + second + third", "python", False)


class Watched(LocalEngine):
    """Remembers the lengths of the candidates it lays out."""

    def _begin(self, request: FillRequest, cancelled: Any) -> Any:
        begun = super()._begin(request, cancelled)
        assert begun is not None
        healed = begun.prompt.seams[0].tokens
        self.lengths = [len(layout.holes[0]) - healed for layout in begun.layouts]
        return begun


@pytest.fixture(scope="module")
def engine() -> Watched:
    text = {**CONFIG["text_config"], "vocab_size": 4200}
    model = DiffusionGemma(Config.from_json({**CONFIG, "text_config": text}))
    initialise(model, 3)
    model.eval().requires_grad_(False)
    tokenizer = read_tokenizer(EMBEDDED_FOLDER / "tokenizer.json")
    return Watched(model, tokenizer, PROFILE, EngineInfo("random", "cpu"))


@pytest.mark.parametrize("method", sorted({*METHODS} - {TOGETHER}))
@torch.no_grad()
def test_the_lengths_of_a_method(method: str, engine: Watched) -> None:
    fill = Filler(engine).fill(ITEM, method)
    oracle = len(encode(engine.tokenizer, ITEM.solution))
    expected = {"fixed": [5], "oracle": [oracle]}
    assert engine.lengths == expected.get(method, [3, 5, 9])
    assert fill.steps == 2
    assert engine.profile == PROFILE


@torch.no_grad()
def test_a_pair_is_filled_together(engine: Watched) -> None:
    whole = ITEM.prefix + ITEM.solution + ITEM.suffix
    start = whole.index("total)")
    end = start + len("total")
    fill = engine.fill(
        FillRequest((ITEM.prefix, "\nprint(", ")\n"), "python", shape=Shape.LINE, max_tokens=MOST)
    )
    other = Item("two", whole[:start], whole[end:], "total", "python", False)
    for item, beside, text in (
        (ITEM, (start, end), fill.texts[0]),
        (other, (len(ITEM.prefix), len(ITEM.prefix) + len(ITEM.solution)), fill.texts[1]),
    ):
        found = Filler(engine).fill(replace(item, beside=beside), TOGETHER)
        assert found.texts == (text,)


def test_the_fixed_length_is_the_middle_one() -> None:
    assert fixed_length(PROFILE, block=False) == 5
    assert fixed_length(PROFILE, block=True) == 48


LOOKED_UP = Candidate(("(",), 3.0, Evidence(Likelihood(-1.0, -1.0), 9, 3, 1), None)
WRITTEN = Candidate(("sum(",), 2.0, Evidence(Likelihood(-2.0, -1.0), 0, 3), -4.0)
SURER = Candidate(("first",), 1.0, Evidence(Likelihood(-0.5, -1.0), 0, 3), -2.0)


@pytest.mark.parametrize(
    ("method", "text"),
    [("searched", "("), ("alone", "first"), ("checked", "first"), ("any", "(")],
)
def test_which_candidate_a_method_takes(
    method: str, text: str, engine: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    rolled = Rolled([LOOKED_UP, WRITTEN, SURER], 2, 64)
    monkeypatch.setattr(engine, "roll", lambda _: rolled)
    fill = Filler(engine).fill(ITEM, method)
    assert fill.texts == (text,)
    (chosen,) = (each for each in rolled.candidates if each.texts == (text,))
    assert fill.confidence == chosen.confidence(engine.profile)


def test_any_knows_the_solution(engine: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "roll", lambda _: Rolled([LOOKED_UP, WRITTEN, SURER], 2, 64))
    item = replace(ITEM, solution="sum(")
    assert Filler(engine).fill(item, "any").texts == ("sum(",)


def test_an_editor_chooses_for_itself(engine: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "roll", lambda _: Rolled([LOOKED_UP, WRITTEN, SURER], 2, 64))
    filler = Filler(engine, editor=lambda item, texts: (f"{item.language} {texts[1][0]}", 0.125))
    checked = filler.fill(ITEM, "checked")
    assert (checked.texts, checked.confidence) == ((f"{ITEM.language} sum(",), 0.125)
    assert filler.fill(ITEM, "searched").texts == ("(",)
