"""Engines of a tiny random model, what every fill of theirs must be, and a model that believes what
a test wants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from engine.api import (
    Draft,
    EngineInfo,
    Fill,
    FillRequest,
    Shape,
)
from engine.checkpoints.profile import UNTRAINED_FOR_GAPS, Profile
from engine.fill.infill import LocalEngine
from engine.models.family import Look
from engine.training.export import default_profile

INFO = EngineInfo(model="tiny", device="cpu")
SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<del>", "<sep>", "<reserved")

# Both ways to use a model, on a small canvas: with slack, and with exact lengths and seams healed.
STYLES = ["slack", "exact"]


def profile_of(tiny: Any, style: str) -> Profile:
    if style == "slack":
        return default_profile(tiny.settings).but(line_tokens=(3, 6), block_tokens=(5, 9), steps=4)
    return UNTRAINED_FOR_GAPS.but(
        first_text=16,
        width=32,
        head_tokens=10,
        prompt_tokens=64,
        line_tokens=(2, 4, 6),
        block_tokens=(6, 9),
        steps=4,
    )


def check(engine: LocalEngine, request: FillRequest) -> tuple[Fill, list[Draft]]:
    """A fill is what the contract says, and its drafts lead to it."""
    drafts: list[Draft] = []
    fill = engine.fill(request, on_draft=drafts.append)
    again = engine.fill(request)
    assert (again.texts, again.confidence, again.steps) == (
        fill.texts,
        fill.confidence,
        fill.steps,
    ), "same request, same answer"
    assert len(fill.texts) == request.holes
    assert 0.0 <= fill.confidence <= 1.0
    assert fill.seconds > 0
    assert fill.canvas_tokens > 0
    scores = [each.score for each in fill.alternatives]
    assert scores == sorted(scores, reverse=True)
    assert fill.alternatives[0].texts == fill.texts
    assert fill.alternatives[0].confidence == fill.confidence
    assert all(0 <= each.confidence <= 1 for each in fill.alternatives)
    assert list(fill.candidates) == [each.texts for each in fill.alternatives]
    assert len({each.texts for each in fill.alternatives}) == len(fill.alternatives)
    assert len(drafts) == fill.steps, "a draft a step"
    for draft in drafts:
        assert len(draft.texts) == len(draft.confidence) == request.holes
        assert 1 <= draft.step <= draft.of <= engine.profile.sampling.steps
        for text, spans in zip(draft.texts, draft.confidence, strict=True):
            if spans or not text:
                ends = [0, *(span.end for span in spans)]
                assert [span.start for span in spans] == ends[:-1]
                assert ends[-1] == len(text)
                assert all(0.0 <= span.confidence <= 1.0 for span in spans)
    is_line = request.shape is Shape.LINE
    for texts in (
        *(draft.texts for draft in drafts),
        *(each.texts for each in fill.alternatives),
    ):
        for text in texts:
            assert not any(name in text for name in SPECIAL)
            assert not is_line or not set(text) & {"\n", "\r"}
    assert not any("\ufffd" in text for text in fill.texts)
    longest = max(map(len, tokens_of(engine)))
    assert all(len(text) <= request.max_tokens * longest for text in fill.texts)
    return fill, drafts


def tokens_of(engine: LocalEngine) -> list[str]:
    return list(engine.tokenizer.get_vocab())


class Scripted:
    """A model that believes `wanted` of the open positions, one row of ids per candidate."""

    def __init__(self, model: Any, wanted: Callable[[int], list[int]]) -> None:
        self._model, self._wanted = model, wanted

    def look(self, looks: Sequence[Look[Any]]) -> list[Tensor]:
        [look] = looks
        batch, count = look.positions.shape
        ids = self._wanted(count)
        row = torch.tensor((ids + [ids[-1]] * count)[:count])
        believed = torch.nn.functional.one_hot(row, self._model.config.vocab_size)
        return [20.0 * believed.to(torch.float32).repeat(batch, 1, 1)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def scripted(tiny: Any, profile: Profile, wanted: Callable[[int], list[int]]) -> LocalEngine:
    model: Any = Scripted(tiny.model, wanted)
    return LocalEngine(model, tiny.tokenizer, profile, INFO)
