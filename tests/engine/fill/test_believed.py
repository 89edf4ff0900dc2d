"""What a model believes of the open positions, and what becomes of it: texts, seams, drafts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from torch import Tensor

from engine.api import (
    Draft,
    FillRequest,
    Shape,
)
from engine.fill import infill
from engine.fill.candidates import read_candidates
from engine.fill.infill import LocalEngine
from engine.fill.prompt import encode
from engine.models.family import Look
from tests.engine.fill.filling import INFO, SPECIAL, STYLES, Scripted, check, profile_of, scripted


@pytest.mark.parametrize(
    ("texts", "believed", "expected"),
    [
        (("x = ", "\n"), "y + 1", "y + 1"),
        (("x = ", "\n"), "", ""),
        (("x = ", "\n"), "🦀", "🦀"),
        (("<mask>", "<del>"), "<eos>", "<eos>"),  # as text: five tokens or so, none of them <eos>
    ],
)
def test_what_the_model_believes_is_what_comes_back(
    texts: tuple[str, str], believed: str, expected: str, tiny: Any
) -> None:
    profile = profile_of(tiny, "slack").but(line_tokens=(8, 12))
    slack = profile.tokens.slack
    ids = encode(tiny.tokenizer, believed)
    engine = scripted(tiny, profile, lambda count: [*ids, slack])
    drafts: list[Draft] = []
    fill = engine.fill(FillRequest(texts, shape=Shape.LINE), drafts.append)
    assert fill.texts == (expected,)
    assert [draft.texts for draft in drafts] == [(expected,)] * len(drafts)
    spans = [span for draft in drafts for hole in draft.confidence for span in hole]
    assert all(span.confidence > 0.9 for span in spans)
    assert len(fill.alternatives) == 1  # both lengths say the same


@pytest.mark.parametrize("believed", ["a\nb", "\n", "\r", "a\r\n"])
def test_a_line_has_no_break_however_sure_the_model_is(believed: str, tiny: Any) -> None:
    ids = encode(tiny.tokenizer, believed)
    for style in STYLES:
        engine = scripted(tiny, profile_of(tiny, style), lambda count: ids)
        fill = engine.fill(FillRequest(("x = ", "\n"), shape=Shape.LINE))
        assert not set("".join(fill.texts)) & {"\n", "\r"}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("total = count(x)\ntotal = cou|\n", "nt(x)"),
        ("total = count(x)\r\ntotal = cou|\r\n", "nt(x)"),
        ("total = count(x)\ry = 2\ntotal = cou|\n", None),  # what is found there is two lines
    ],
)
def test_what_is_looked_up_joins_the_candidates(
    text: str, found: str | None, style: str, engines: Callable[..., LocalEngine]
) -> None:
    """It fits the cursor, whatever a seam took, and it is a line."""
    engine = engines(style, lookup=True)
    fill, _ = check(engine, FillRequest(tuple(text.split("|")), shape=Shape.LINE))
    texts = [each.texts[0] for each in fill.alternatives]
    assert found is None or found in texts


@pytest.mark.parametrize("token", [0, 1, 2, 4, 6, 15])
def test_special_tokens_are_not_written_however_sure_the_model_is(token: int, tiny: Any) -> None:
    for style in STYLES:
        engine = scripted(tiny, profile_of(tiny, style), lambda count: [token])
        fill = engine.fill(FillRequest(("x = ", "\n")))
        assert not any(name in fill.texts[0] for name in SPECIAL)


def test_half_a_character_is_no_fill(tiny: Any) -> None:
    crab = encode(tiny.tokenizer, "🦀")
    assert len(crab) > 1
    engine = scripted(tiny, profile_of(tiny, "slack"), lambda count: [crab[0]])
    fill = engine.fill(FillRequest(("x = ", "\n")))
    assert fill.texts == ("",)
    assert fill.confidence < 0.01
    assert [each.texts for each in fill.alternatives] == [("",)]


HEALS = [  # (text, what the exact style's hole must begin and end with)
    ("def f(x):\n    return pri|ed(x)\n", " pri", "ed"),
    ("def f(x):\n    return x.it|\n", "it", ""),
    ("x = |ed y", " ", "ed"),
    ("foo(|, 1)", "(", ","),
    ("    |", "    ", ""),
]


@pytest.mark.parametrize(("text", "left", "right"), HEALS)
def test_seams_come_out_by_construction(
    text: str, left: str, right: str, tiny: Any, engines: Callable[..., LocalEngine]
) -> None:
    """Whatever a model believes, the text around a hole stays, once and whole: the pieces that the
    hole took over are in it, and out of the fill."""
    before, after = text.split("|")
    profile = profile_of(tiny, "exact")
    other = encode(tiny.tokenizer, "q")
    for engine in (
        engines("exact"),
        scripted(tiny, profile, lambda count: other),
        scripted(tiny, profile, lambda count: encode(tiny.tokenizer, left) + other),
    ):
        written = texts_of_holes(engine, FillRequest((before, after), shape=Shape.LINE))
        assert len(written) == len(profile.canvas.line_tokens)
        assert all(each.startswith(left) and each.endswith(right) for each in written)
        fill = engine.fill(FillRequest((before, after), shape=Shape.LINE))
        assert {left + each.texts[0] + right for each in fill.alternatives} == {
            each for each in written if "\ufffd" not in each
        }


def texts_of_holes(engine: LocalEngine, request: FillRequest) -> list[str]:
    """What denoising wrote into the first hole of each candidate."""
    written: list[str] = []

    def watching(tokenizer: Any, last: Any, slack: int | None) -> Any:
        for tokens, holes in zip(last.tokens.tolist(), last.holes, strict=True):
            written.append(tokenizer.decode(tokens[: holes[0]]))
        return read_candidates(tokenizer, last, slack)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(infill, "read_candidates", watching)
        LocalEngine(engine.model, engine.tokenizer, engine.profile, INFO).fill(request)
    return written


def test_a_word_is_finished_with_the_token_it_would_have_had(tiny: Any) -> None:
    """The model wants the one token " print" where the cursor stands after "pri"."""
    ids = encode(tiny.tokenizer, " print")
    assert len(ids) == 1
    engine = scripted(tiny, profile_of(tiny, "exact"), lambda count: [*ids, 300])
    fill = engine.fill(FillRequest(("x = 1\nreturn pri", "\n"), max_tokens=1))
    assert fill.texts == ("nt" + tiny.tokenizer.decode([300]),)


def test_a_draft_warms_the_canvas(tiny: Any) -> None:
    """The model is shown the draft's tokens, then slack or noise, behind what a seam took."""
    for style, text in (("slack", "x = "), ("exact", "return pri")):
        shown: list[Tensor] = []

        class Watching(Scripted):
            def look(self, looks: Sequence[Look[Any]]) -> list[Tensor]:
                shown.append(looks[0].canvas.gather(1, looks[0].positions))  # noqa: B023
                return super().look(looks)

        model: Any = Watching(tiny.model, lambda count: [300])
        engine = LocalEngine(model, tiny.tokenizer, profile_of(tiny, style), INFO)
        draft = "nt(y)"
        engine.fill(FillRequest((text, "\n"), draft=(draft,), shape=Shape.LINE))
        healed = " pri" if style == "exact" else ""
        ids = encode(tiny.tokenizer, healed + draft)
        for row in shown[0].tolist():
            assert row[: len(ids)] == ids
            if style == "slack":
                assert set(row[len(ids) :]) <= {engine.profile.tokens.slack}
