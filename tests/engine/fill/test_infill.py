"""Whole fills by a tiny random model: what comes back may be nonsense, but never malformed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.api import (
    BadRequest,
    Cancelled,
    Draft,
    EngineInfo,
    Fill,
    FillRequest,
    ModelMissing,
    Shape,
)
from engine.checkpoints.profile import UNTRAINED_FOR_GAPS, Profile
from engine.fill import infill
from engine.fill.candidates import read_candidates
from engine.fill.infill import LocalEngine
from engine.fill.lengths import guess_shape, lay_out_candidates
from engine.fill.load import load_engine
from engine.fill.prompt import encode
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


@pytest.fixture(scope="module")
def engines(tiny: Any) -> Callable[..., LocalEngine]:
    """An engine of a style; with changes, its profile is changed."""
    built: dict[Any, LocalEngine] = {}

    def get(style: str, **changes: Any) -> LocalEngine:
        key = (style, *sorted(changes.items()))
        if key not in built:
            profile = profile_of(tiny, style).but(**changes)
            built[key] = LocalEngine(tiny.model, tiny.tokenizer, profile, INFO)
        return built[key]

    return get


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


@dataclass(frozen=True, slots=True)
class Case:
    """`|` marks the holes."""

    name: str
    text: str
    options: dict[str, Any] = field(default_factory=dict)


LINES = "".join(f"value_{n} = compute({n})\n" for n in range(90))
CASES = [
    Case("the rest of a line", "def f(x):\n    return |\n\nf(1)\n"),
    Case("a whole line", "def f(x):\n    |\n\nf(1)\n"),
    Case("within a line", "total = sum(|) + 1\n"),
    Case("inside a word", "import os\nprint(os.pa|sep)\n"),
    Case("two holes", "def f(|):\n    return |\n"),
    Case("three holes", "a = |\nb = |\nc = |\n"),
    Case("holes side by side", "a = ||\n"),
    Case("holes too far apart", f"a = |\n{LINES}b = |\n{LINES}c = |\n"),
    Case("holes a little too far apart", "a = |\n" + "b = compute(1)\n" * 4 + "c = |\n"),
    Case("an empty file", "|"),
    Case("an empty file, two holes", "||"),
    Case("the very start", "|\nimport os\n"),
    Case("the very start, no break after", "|import os"),
    Case("the very end", "import os\n|"),
    Case("the very end, no break before", "import os|"),
    Case("in a long file", f"{LINES}x = |\n{LINES}"),
    Case("CRLF", "def f(x):\r\n    return |\r\n\r\nf(1)\r\n"),
    Case("between CR and LF", "x = 1\r|\ny = 2\r\n"),
    Case("CR alone", "x = 1\ry = |\rz = 3\r"),
    Case("emoji before the cursor", 'x = "🦀👩‍👩‍👧|"\n'),
    Case("emoji after the cursor", 'x = "|👩‍👩‍👧🦀"\n'),
    Case("half an emoji", 'x = "\ud83e|"\ny = "\udd80"\n'),
    Case("half an emoji on each side", 'x = "\ud83e|\udd80"\n'),
    Case("white space alone", "   |   "),
    Case("tabs", "if x:\n\t\t|\n"),
    Case("the names of special tokens", '<del> = "<mask><eos>|<pad>"\n<bos>\n'),
    Case("a NUL", "x = '\0|\0'\n"),
    Case("a line", "def f():\n    |\n", {"shape": Shape.LINE}),
    Case("a block", "def f():\n    |\n", {"shape": Shape.BLOCK}),
    Case("blocks", "def f():\n    |\n\ndef g():\n    |\n", {"shape": Shape.BLOCK}),
    Case("one token at most", "x = |\n", {"max_tokens": 1}),
    Case("one token at most, in two words", "pri|nt(pri|nt)\n", {"max_tokens": 1}),
    Case("far more tokens than the canvas has", "x = |\n", {"max_tokens": 10_000}),
    Case("one candidate", "x = |\n", {"candidates": 1}),
    Case("two candidates", "x = |\n", {"candidates": 2}),
    Case("more candidates than there are", "x = |\n", {"candidates": 99}),
    Case("one step", "x = |\n", {"steps": 1}),
    Case("more steps than the profile has", "x = |\n", {"steps": 99}),
    Case("a draft", "x = |\n", {"draft": ("sum(y)",)}),
    Case("an empty draft", "x = |\n", {"draft": ("",)}),
    Case("a draft longer than the hole", "x = |\n", {"draft": ("y + " * 20,), "max_tokens": 5}),
    Case("a draft longer than the canvas", "x = |\n", {"draft": ("y + " * 90,)}),
    Case("drafts", "f(|, |)\n", {"draft": ("x", "y + z")}),
    Case("a draft of several lines", "x = |\n", {"draft": ("1\ny = 2",), "shape": Shape.LINE}),
    Case("a draft with half an emoji", "x = |\n", {"draft": ("\ud83e",)}),
    Case("drafts far apart", f"a = |\n{LINES}b = |\n", {"draft": ("1", "2")}),
    Case("far apart, one step", f"a = |\n{LINES}b = |\n", {"steps": 1}),
    Case("another seed", "x = |\n", {"seed": 2**40}),
]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fill(case: Case, style: str, engines: Callable[..., LocalEngine]) -> None:
    check(engines(style), FillRequest(tuple(case.text.split("|")), **case.options))


@settings(max_examples=15)
@given(
    texts=st.lists(
        st.text(max_size=20) | st.text("ab (\n\r🦀\ud83e", max_size=60), min_size=2, max_size=4
    ),
    shape=st.sampled_from(Shape),
    max_tokens=st.integers(1, 12),
    style=st.sampled_from(STYLES),
)
def test_any_text(
    texts: list[str],
    shape: Shape,
    max_tokens: int,
    style: str,
    engines: Callable[..., LocalEngine],
) -> None:
    check(engines(style), FillRequest(tuple(texts), shape=shape, max_tokens=max_tokens, steps=2))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "text",
    [
        "x = 1; " * 150_000 + "|" + "y = 2; " * 150_000,
        "a" * 10**6 + "|" + "b" * 10**6,
        " " * 10**6 + "|" + " " * 10**6,
        "a" * 10**6 + " |",
        "x = |\n" + "y" * 10**6 + "\nz = |\n",
    ],
    ids=["code", "a word", "white space", "a word before", "a word between"],
)
def test_a_megabyte_on_one_line_is_not_tokenised(
    style: str, text: str, engines: Callable[..., LocalEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engines(style)
    read = 0

    class Counting:
        def encode(self, text: str, **options: Any) -> Any:
            nonlocal read
            read += len(text)
            return tokenizer.encode(text, **options)

        def __getattr__(self, name: str) -> Any:
            return getattr(tokenizer, name)

    tokenizer = engine.tokenizer
    monkeypatch.setattr(engine, "tokenizer", Counting())
    engine.fill(FillRequest(tuple(text.split("|"))))
    assert read < 10_000


@pytest.mark.parametrize("style", STYLES)
def test_seeds(style: str, engines: Callable[..., LocalEngine]) -> None:
    """The same seed gives the same fill whatever was asked before; where noise is drawn from many
    ids, another may give another."""
    engine = engines(style)
    requests = [FillRequest(("import os\nx = ", "\ny = 1\n"), seed=seed) for seed in range(4)]
    first = [engine.fill(request).texts for request in requests]
    engine.fill(FillRequest(("something else", "entirely")))
    assert [engine.fill(request).texts for request in requests] == first
    assert len(set(first)) > 1 or style == "slack"


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("text", ["x = |\n", f"x = |\n{LINES}y = |\n"], ids=["near", "far"])
@pytest.mark.parametrize("before", [1, 3, 5])
def test_cancelled(style: str, text: str, before: int, engines: Callable[..., LocalEngine]) -> None:
    drafts: list[Draft] = []
    engine = engines(style, confidence_threshold=0.0)  # never done before the last step
    request = FillRequest(tuple(text.split("|")))
    if before > engine.profile.sampling.steps * request.holes:
        return
    with pytest.raises(Cancelled):
        engine.fill(request, drafts.append, lambda: len(drafts) == before - 1)
    assert len(drafts) == before - 1


def test_a_canvas_without_room(
    engines: Callable[..., LocalEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain head always leaves some; whoever pins more is told, with one hole, and with several
    they are tried one by one first."""
    engine = engines("slack")
    build = LocalEngine._prompt

    def crowded(request: FillRequest) -> Any:
        return replace(build(engine, request), head=[300] * 32)

    monkeypatch.setattr(engine, "_prompt", crowded)
    for text in ("x = |\n", "x = |\ny = |\n"):
        with pytest.raises(BadRequest, match="no room on a canvas of 32"):
            engine.fill(FillRequest(tuple(text.split("|"))))


def test_holes_too_far_apart_are_filled_in_turn(engines: Callable[..., LocalEngine]) -> None:
    """Each hole sees what the ones before it were filled with."""
    engine = engines("slack")
    texts = ("a = ", "\n" + LINES + "b = ", "\n")
    fill, drafts = check(engine, FillRequest(texts))
    first = engine.fill(FillRequest((texts[0], texts[1] + texts[2])))
    second = engine.fill(FillRequest((texts[0] + first.texts[0] + texts[1], texts[2])))
    assert fill.texts == (*first.texts, *second.texts)
    assert fill.steps == first.steps + second.steps
    assert fill.confidence == pytest.approx(first.confidence * second.confidence)
    for draft in drafts[: first.steps]:
        assert draft.texts[1] == ""
    for draft in drafts[first.steps :]:
        assert draft.texts[0] == fill.texts[0]


@pytest.mark.parametrize("style", STYLES)
def test_each_hole_is_filled_by_itself_beside_what_the_others_became(
    style: str, engines: Callable[..., LocalEngine]
) -> None:
    engine = engines(style)
    texts = ("f(", ", g(", "))\n")
    together = engine.fill(FillRequest(texts))
    each = engines(style, each_hole=True)
    fill, drafts = check(each, FillRequest(texts))
    first = engine.fill(FillRequest((texts[0], texts[1] + together.texts[1] + texts[2])))
    second = engine.fill(FillRequest((texts[0] + first.texts[0] + texts[1], texts[2])))
    assert fill.texts == (*first.texts, *second.texts)
    assert fill.steps == together.steps + first.steps + second.steps
    assert drafts[together.steps].texts[1] == together.texts[1]
    assert (
        each.fill(FillRequest(("f(", ")\n"))).texts == engine.fill(FillRequest(("f(", ")\n"))).texts
    )


@pytest.mark.parametrize("style", STYLES)
def test_holes_on_one_canvas_share_their_steps(
    style: str, engines: Callable[..., LocalEngine]
) -> None:
    fill, _ = check(engines(style), FillRequest(("f(", ", ", ")\n")))
    assert fill.steps <= engines(style).profile.sampling.steps
    assert fill.canvas_tokens == 32 * len(engines(style).profile.canvas.line_tokens)


@dataclass(frozen=True, slots=True)
class Lengths:
    """How many new tokens the candidates' holes have."""

    style: str
    options: dict[str, Any]
    expected: list[int]
    text: str = "x =|"


LENGTHS = [
    Lengths("slack", {}, [3, 6]),
    Lengths("slack", {"shape": Shape.BLOCK}, [5, 9]),
    Lengths("slack", {"max_tokens": 5}, [3]),
    Lengths("slack", {"max_tokens": 2}, [2]),
    Lengths("slack", {"candidates": 1}, [6]),  # slack makes a short fill of a long hole
    Lengths("slack", {"draft": ("a b c d e",)}, [6]),  # five tokens
    Lengths("slack", {"draft": ("a b c d e f g h",)}, [8]),
    Lengths("slack", {"draft": ("a b c d e f g h",), "max_tokens": 7}, [7]),
    Lengths("slack", {"draft": ("a",), "candidates": 1}, [3]),
    Lengths("exact", {}, [2, 4, 6]),
    Lengths("exact", {"shape": Shape.BLOCK}, [6, 9]),
    Lengths("exact", {"max_tokens": 4}, [2, 4]),
    Lengths("exact", {"max_tokens": 1}, [1]),
    Lengths("exact", {"candidates": 1}, [4]),
    Lengths("exact", {"candidates": 2}, [2, 6]),
    Lengths("exact", {"draft": (" a b c",)}, [3, 4, 6]),
    Lengths("exact", {"draft": (" a b c",), "candidates": 1}, [3]),
    Lengths("exact", {"draft": ("",)}, [1, 2, 4, 6]),
    Lengths("exact", {"draft": (" a" * 40,), "max_tokens": 7}, [7]),
    Lengths("slack", {"shape": Shape.BLOCK}, [5, 9], "x = |" + " y z" * 4 + "|"),
    Lengths("slack", {"shape": Shape.BLOCK}, [5], "x = |" + " y z" * 6 + "|"),
]


@pytest.mark.parametrize("case", LENGTHS, ids=str)
def test_lengths(
    case: Lengths, engines: Callable[..., LocalEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engines(case.style)
    laid_out: list[list[int]] = []

    def spy(prompt: Any, profile: Profile, lengths: list[int]) -> Any:
        laid_out.append(lengths)
        return lay_out_candidates(prompt, profile, lengths)

    monkeypatch.setattr(infill, "lay_out_candidates", spy)
    engine.fill(FillRequest(tuple(case.text.split("|")), **{"shape": Shape.LINE, **case.options}))
    assert laid_out == [case.expected]


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
    assert fill.confidence > 0.9
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

    def watching(tokenizer: Any, layouts: Any, last: Any, slack: int | None) -> Any:
        for tokens, layout in zip(last.tokens.tolist(), layouts, strict=True):
            written.append(tokenizer.decode(tokens[: len(layout.holes[0])]))
        return read_candidates(tokenizer, layouts, last, slack)

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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f(x):\n    |\n", Shape.BLOCK),
        ("f = {\n    |\n}", Shape.BLOCK),
        ("f(\r\n    |\r\n)", Shape.BLOCK),
        ("def f(x):|\n", Shape.LINE),
        ("def f(x):\n    x|\n", Shape.LINE),
        ("def f(x):\n    |  # note\n", Shape.LINE),
        ("x = 1\n|\n", Shape.LINE),
        ("def f(x):\n    |\n\ndef g(|):\n", Shape.LINE),
        ("|", Shape.LINE),
    ],
)
def test_shape(text: str, expected: Shape) -> None:
    assert guess_shape(tuple(text.split("|"))) is expected


def test_windows_do_not_share_what_is_kept(engines: Callable[..., LocalEngine]) -> None:
    engine = engines("slack")
    requests = [FillRequest((f"import {name}\nx = ", "\n")) for name in ("os", "re")]
    alone = [engine.fill(request).texts for request in requests]
    for _ in range(2):
        for window, request in zip("ab", requests, strict=True):
            assert engine.fill(request, window=window).texts == alone["ab".index(window)]


MISSING: list[tuple[str, Callable[[Path], str], str]] = [
    ("no such folder", lambda folder: str(folder / "none"), "there is no model"),
    ("an empty folder", lambda folder: str(folder), "config.json"),
]


@pytest.mark.parametrize(("name", "model", "says"), MISSING, ids=[name for name, _, _ in MISSING])
def test_no_model(name: str, model: Callable[[Path], str], says: str, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=says):
        load_engine(model(tmp_path), "cpu")
