"""A server that is asked in words."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from engine.api import Draft, EngineInfo, FillRequest, Shape, Snippet
from engine.remote import load_remote
from engine.remote.chat import GAP, missing_text
from engine.remote.engine import BETTER_THAN_CHAT
from engine.remote.shape import end_of_hole
from tests.engine.remote.team import LINE, OTHER, Team, stream


def test_a_chat_is_streamed(team: Team) -> None:
    team.chat(stream("```python\n", "a +", " b", "\n```"))
    engine = load_remote(f"{team.address}/v1#{OTHER}")
    drafts: list[Draft] = []
    fill = engine.fill(LINE, drafts.append)
    assert fill.texts == ("a + b",)
    assert [draft.texts for draft in drafts] == [("",), ("a +",), ("a + b",), ("a + b",)]
    assert engine.info == EngineInfo(
        OTHER,
        team.name,
        way="chat",
        why=f"it completes no text of ours: {team.name} has no such model or address (404):"
        " Not Found",
        better=BETTER_THAN_CHAT,
        confidence="unknown",
    )
    (body,) = team.bodies()
    said = body["messages"][-1]["content"]
    assert f"    return {GAP}\n" in said
    assert "sums.py" in said
    assert "/home/me" not in json.dumps(team.asked)
    assert body["model"] == OTHER


def test_holes_are_filled_in_turn(team: Team) -> None:
    team.chat(stream("one"), stream("two"))
    fill = load_remote(team.address).fill(FillRequest(("a ", " b ", " c")))
    assert fill.texts == ("one", "two")
    assert f"a one b {GAP} c" in team.bodies()[1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("said", "shape", "text"),
    [
        ("a + b", Shape.LINE, "a + b"),
        ("```py\na + b\n```", Shape.LINE, "a + b"),
        ("Sure!\n```\na + b\n```\nDone.", Shape.LINE, "a + b"),
        ("```py\n    return a + b\n```", Shape.LINE, "a + b"),
        ("```py\nx\ny\n```", Shape.LINE, "x"),
        ("```py\nx\n\n    y\n```", Shape.BLOCK, "x\n\n    y"),
        ("```py\nx", Shape.BLOCK, "x"),
        ("```py", Shape.BLOCK, ""),
        ("", Shape.LINE, ""),
        ("```\n```", Shape.LINE, ""),
        ("return a + b", Shape.LINE, "a + b"),
        ("```py\nreturn a + b\n```", Shape.LINE, "a + b"),
        ("<think>Hm, a + b?</think>\n\na + b", Shape.LINE, "a + b"),
        ("<think>Hm, a + b?", Shape.LINE, ""),
    ],
)
def test_what_a_chat_means(said: str, shape: Shape, text: str) -> None:
    request = FillRequest(LINE.texts, shape=shape)
    start, end, _ = missing_text(said, request)
    full = end_of_hole(said[start:end], request) if shape is Shape.LINE else None
    assert said[start:end][:full] == text


@pytest.mark.parametrize(
    ("prefix", "answer", "text"),
    [
        ("def f(n):\n    ", "def f(n):\n    return n", "return n"),
        ("def f(n):\n    ", "def f(n):\n  return n", "return n"),
        ("def f(n):\n", "def f(n):\n    return n", "    return n"),
        ("def f(n):", "def f(n):\n    return n", "\n    return n"),
        ("a = 1\ndef f(n):\n    return ", "def f(n):\n    return n", "n"),
        ("a = 1\nb = 2\nc = ", "a = 1\nb = 2\nc = 3", "3"),
        ("total = ", "total = a + b", "a + b"),
        ("    total =", "total = a + b", " a + b"),
        ("x.method(", "x.method(1)", "1)"),
        ("function f() {\n", "function f() {\n  <|gap|>\n}", ""),
        ("return ", "ret", "ret"),
        ("", "return 1", "return 1"),
        ("\n\n", "return 1", "return 1"),
    ],
)
def test_what_stands_before_the_gap_is_not_said_again(prefix: str, answer: str, text: str) -> None:
    for said in (answer, f"```py\n{answer}\n```"):
        start, end, _ = missing_text(said, FillRequest((prefix, "\n")))
        assert said[start:end] == text


def test_a_line_is_not_taken_for_full_while_it_is_repeated(team: Team) -> None:
    team.chat(stream("```py\n", "def add(", "a, b):", "\n", "    return", " a +", " b", "\n", "x"))
    assert load_remote(team.address).fill(LINE).texts == ("a + b",)


@pytest.mark.parametrize(
    ("logprob", "confidence"), [(-0.2, math.exp(-0.4)), (-3.0, math.exp(-6.0))], ids=str
)
def test_its_confidence_is_the_probability_of_the_line(
    team: Team, logprob: float, confidence: float
) -> None:
    """Of the tokens that are in it alone: neither the fence's nor those of a second line."""
    team.chat(stream("Sure!\n", "```py\n", "a +", " b", "\n", "c", logprob=logprob))
    engine = load_remote(team.address)
    fill = engine.fill(LINE)
    assert fill.texts == ("a + b",)
    assert fill.confidence == pytest.approx(confidence)
    assert engine.info.confidence == "not calibrated"


def test_drafts_know_the_probability_of_every_piece(team: Team) -> None:
    team.chat(stream("```\n", "a +", " b", logprob=-0.5))
    drafts: list[Draft] = []
    load_remote(team.address).fill(LINE, drafts.append)
    (spans,) = drafts[-1].confidence
    assert [(span.start, span.end) for span in spans] == [(0, 3), (3, 5)]
    assert {span.confidence for span in spans} == {math.exp(-0.5)}


def test_other_files_are_shown_by_their_names(team: Team) -> None:
    team.chat(stream("a + b"))
    snippet = Snippet("class Sum: ...\n", "/home/me/work/sum.py")
    load_remote(team.address).fill(replace(LINE, context=(snippet,)))
    shown = team.bodies()[0]["messages"][-1]["content"]
    assert "For reference sum.py:\n```\nclass Sum: ...\n" in shown
    assert "/home" not in shown
