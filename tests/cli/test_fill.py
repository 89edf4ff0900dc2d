"""What `infill-ls fill` asks the engine, and what it prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.api import Alternative, EngineInfo, Fill, Shape
from tests.cli.conftest import Infill

CURSOR = "<|>"


@pytest.mark.parametrize(
    ("marked", "at", "to", "shape"),
    [
        pytest.param("a = <|>\n", "1:5", None, Shape.LINE, id="at the cursor"),
        pytest.param("a = <|>b<|>\n", "1:5", "1:6", Shape.LINE, id="within a line"),
        pytest.param("<|>", "1:1", None, Shape.LINE, id="an empty file"),
        pytest.param("a\n<|>", "2:1", None, Shape.LINE, id="after the last line's end"),
        pytest.param("a<|>", "1:2", None, Shape.LINE, id="no newline at the end"),
        pytest.param("a<|>\nb<|>\n", "1:2", "2:2", Shape.BLOCK, id="over lines"),
        pytest.param("<|>a\n<|>b\n", "1:1", "2:1", Shape.BLOCK, id="a whole line"),
        pytest.param("def f():\n    <|>\n", "2:5", None, Shape.LINE, id="an empty body"),
        pytest.param("x = '😀' + <|>\n", "1:11", None, Shape.LINE, id="an emoji is one column"),
        pytest.param("x\u0301 = <|>\n", "1:6", None, Shape.LINE, id="so is a combining mark"),
        pytest.param("a\f\u2028b\n<|>c\n", "2:1", None, Shape.LINE, id="lines as editors count"),
    ],
)
def test_the_request(
    infill: Infill,
    source: Callable[..., Path],
    marked: str,
    at: str,
    to: str | None,
    shape: Shape,
) -> None:
    path = source(marked.replace(CURSOR, ""))
    assert infill("fill", path, "--at", at, *(["--to", to] if to else [])).code == 0
    pieces = marked.split(CURSOR)
    assert infill.request.texts == (pieces[0], pieces[-1])
    assert infill.request.shape == shape


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_the_model_reads_plain_line_ends(
    infill: Infill, source: Callable[..., Path], end: str
) -> None:
    path = source(f"\ufeffa = 1{end}b = {end}c = 3{end}")
    infill("fill", path, "--at", "2:5")
    assert infill.request.texts == ("a = 1\nb = ", "\nc = 3\n")


def test_the_dials(infill: Infill, source: Callable[..., Path]) -> None:
    path = source("let a = ;", "a.rs")
    infill("fill", path, "--at", "1:9", "--steps=3", "--seed=7", "--max-tokens=9")
    request = infill.request
    assert (request.steps, request.seed, request.max_tokens) == (3, 7, 9)
    assert (request.language, request.path) == ("rust", str(path))


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a.py", "python"),
        ("a.PY", "python"),
        ("a.tsx", "typescriptreact"),
        ("a.h", "c"),
        ("a.sh", "shellscript"),
        ("Makefile", "plaintext"),
        (".py", "plaintext"),
    ],
)
def test_the_language(
    infill: Infill, source: Callable[..., Path], name: str, language: str
) -> None:
    infill("fill", source("x", name), "--at", "1:1")
    assert infill.request.language == language


def test_the_fill_is_shown_in_its_place(infill: Infill, source: Callable[..., Path]) -> None:
    path = source("".join(f"line {n}\n" for n in range(1, 13)), "a.txt")
    infill.answer({"text": "one\n\ttwo", "confidence": 0.834, "steps": 5})
    outcome = infill("fill", path, "--at", "8:1", "--to", "9:7")
    assert outcome.out.splitlines()[:-1] == [
        " 5 │ line 5",
        " 6 │ line 6",
        " 7 │ line 7",
        " 8 ▌ one",
        " 9 ▌     two",
        "10 │ line 10",
        "11 │ line 11",
        "12 │ line 12",
    ]
    assert outcome.out.splitlines()[-1].startswith("confidence 0.83 · 5 steps · 0.0")
    assert outcome.out.endswith(" s · scripted on script\n")
    assert outcome.code == 0


def test_nothing_to_fill_is_said(infill: Infill, source: Callable[..., Path]) -> None:
    outcome = infill("fill", source("x = 1\n"), "--at", "1:6")
    assert "1 ▌ x = 1\nthe model would put nothing here\nconfidence" in outcome.out


def test_what_is_shown_cannot_speak_to_the_terminal(
    infill: Infill, source: Callable[..., Path]
) -> None:
    infill.answer({"text": "\x1bP0;title\x07\x9b31m"})
    outcome = infill("fill", source("a\x1b[2J\n"), "--at", "1:1", "--watch")
    assert not set(outcome.out) & {"\x1b", "\x07", "\x9b"}
    assert "␛P0;title␇�31ma␛[2J" in outcome.out


def test_json_is_one_object(
    infill: Infill, source: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    alternatives = tuple(
        Alternative((text,), score, 0.5)
        for text, score in [("1\n2é", -0.5), ("3", -1.5), ("4", float("-inf"))]
    )
    fill = Fill(("1\n2é",), 0.75, 4, 32, 0.125, alternatives)
    monkeypatch.setattr(infill.engine, "info", EngineInfo("small", "cpu"))
    monkeypatch.setattr(infill.engine.engine, "fill", lambda *_: fill, raising=False)
    outcome = infill("fill", source("x = \r\ny\r\n"), "--at", "1:5", "--to", "2:1", "--json")
    assert outcome.out.count("\n") == 1
    assert outcome.out.isascii()
    assert json.loads(outcome.out) == {
        "text": "1\r\n2é",
        "confidence": 0.75,
        "steps": 4,
        "seconds": 0.125,
        "model": "small",
        "device": "cpu",
        "alternatives": [
            {"text": "1\r\n2é", "score": -0.5, "confidence": 0.5},
            {"text": "3", "score": -1.5, "confidence": 0.5},
            {"text": "4", "score": None, "confidence": 0.5},
        ],
    }
    assert outcome.err == ""


def test_json_with_watch_keeps_stdout_clean(infill: Infill, source: Callable[..., Path]) -> None:
    infill.answer({"text": "a + b", "steps": 2})
    outcome = infill("fill", source("x = "), "--at", "1:5", "--json", "--watch")
    assert json.loads(outcome.out)["text"] == "a + b"
    assert outcome.err == "step  1 of 2: a \nstep  2 of 2: a + b\n"


def test_ctrl_c_while_the_engine_works(
    infill: Infill, source: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(infill.engine, "submit", interrupt)
    outcome = infill("fill", source("x"), "--at", "1:1")
    assert (outcome.code, outcome.out, outcome.err) == (130, "", "")


def test_help_and_version(infill: Infill) -> None:
    assert infill("--help").out.startswith("Usage: infill-ls")
    assert "--watch" in infill("fill", "--help").out
    assert infill("--version").out.startswith("infill-ls ")
