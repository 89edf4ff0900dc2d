"""Whole fills by a tiny random model: what comes back may be nonsense, but never malformed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api import (
    BadRequest,
    Cancelled,
    Draft,
    FillRequest,
    ModelMissing,
    Shape,
)
from engine.fill.infill import LocalEngine
from engine.fill.load import load_engine
from tests.engine.fill.filling import STYLES, check


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
