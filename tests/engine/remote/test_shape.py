"""Where a hole is full: what is kept of a text that goes on, over several languages."""

from __future__ import annotations

import math

import pytest

from engine.api import FillRequest, Shape
from engine.remote.shape import end_of_hole, without_cut_line
from engine.remote.window import AFTER, BEFORE, CONTEXT, reach_for, within_reach
from engine.remote.writing import Piece, Pieces, probability_of_lines, write

# ‸ is the cursor. What follows the gap, what the model writes, and where it is stopped (|).
BLOCKS = {
    "a body, below its opener": (
        "def f(n):‸\n\n\ndef g(): ...",
        "\n    if n:\n        return 1\n\n    return 2|\n\n\ndef h():\n    pass",
    ),
    "a body, at its first column": (
        "def f(n):\n    ‸\n\nprint(f(1))",
        "if n:\n        return 1\n    return 2|\n\nprint(f(2))",
    ),
    "a body with tabs": (
        "func f() {\n\t‸\n}",
        "if x {\n\t\treturn 1\n\t}\n\treturn 2|\n}\n\nfunc g() {",
    ),
    "a branch ends before the next": (
        "    if a:\n        ‸\n    print()",
        "x = 1\n        y = 2|\n    else:\n        z = 3",
    ),
    "its own closer belongs to what hangs on a line": (
        "function f() {‸\n",
        "\n  return 1;\n}|\n\nfunction g() {",
    ),
    "unless it is there already": (
        "function f() {‸\n}\n",
        "\n  return 1;|\n}\n\nfunction g() {",
    ),
    "a closer that opens again goes on": (
        "  if (a) {‸\n",
        "\n    b();\n  } else {\n    c();\n  }|\n  d();",
    ),
    "end": ("  def f‸\n", "\n    1\n  end|\n\n  def g"),
    "what only begins like end": ("  def f‸\n", "\n    1|\n  ending = 2"),
    "a call's arguments": ("x = call(‸\n", "\n    1,\n    2,\n)|\ny = 3"),
    "rust": (
        "    match x {\n        ‸\n    }",
        "Some(y) => y,\n        None => 0,|\n    }\n}\n\nfn g() {",
    ),
    "at the margin, a blank line": ("‸\n", "import os\nimport sys|\n\nx = 1"),
    "but not inside of something": (
        "‸\n",
        "def f():\n    x = 1\n\n    return x|\n\nprint(f())",
    ),
    "line ends of windows": ("def f():\r\n    ‸\r\n", "x = 1\r\n    return x|\r\n\r\ny = 2"),
    "blank lines before": ("def f():‸\n", "\n\n    return 1|\n\nx = 2"),
    "nothing but what follows": ("def f():\n    return 1‸\n\nx = 2", "|\n\nx = 2"),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_ends_where_indentation_says(name: str) -> None:
    around, written = BLOCKS[name]
    prefix, _, suffix = around.partition("‸")
    kept, _, beyond = written.partition("|")
    request = FillRequest((prefix, suffix), shape=Shape.BLOCK)
    whole = kept + beyond
    assert whole[: end_of_hole(whole, request)] == kept
    # However it comes in: once it is said to be full, what is kept does not change any more.
    for length in range(len(whole) + 1):
        end = end_of_hole(whole[:length], request)
        assert end is None or whole[:end] == kept


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_that_has_not_ended_goes_on(name: str) -> None:
    around, written = BLOCKS[name]
    prefix, _, suffix = around.partition("‸")
    kept, _, _ = written.partition("|")
    assert end_of_hole(kept, FillRequest((prefix, suffix), shape=Shape.BLOCK)) is None


@pytest.mark.parametrize(
    ("text", "kept"),
    [("a + b\nc", "a + b"), ("a + b\r\nc", "a + b"), ("\nc", ""), ("a", None), ("", None)],
)
def test_a_line_ends_at_its_end(text: str, kept: str | None) -> None:
    end = end_of_hole(text, FillRequest(("x = ", "\n"), shape=Shape.LINE))
    assert (None if end is None else text[:end]) == kept


def test_what_may_be_anything_has_no_end() -> None:
    assert end_of_hole("a\n\n\nb", FillRequest(("x = ", "\n"))) is None


@pytest.mark.parametrize(
    ("text", "kept"),
    [("a\nb\nc = (1,", "a\nb"), ("a = (1,", "a = (1,"), ("\n  a = (", "\n  a = ("), ("", "")],
)
def test_the_line_that_the_limit_cut(text: str, kept: str) -> None:
    assert without_cut_line(text) == kept


@pytest.mark.parametrize(
    ("text", "logprobs", "probability"),
    [
        ("a b", [-1.0, -1.0], math.exp(-2)),
        ("a\nb", [-1.0, -1.0], math.exp(-1)),  # of two lines, each
        ("a\n\n  \nb", [-1.0, -1.0], math.exp(-1)),
        ("a", [0.5], 1.0),
        ("a b", [-1.0, None], None),
        ("a", [math.nan], None),
        ("a", [], None),
        ("", [], 0.0),
        (" \n", [-1.0], 0.0),
    ],
)
def test_the_probability_of_a_line(
    text: str, logprobs: list[float | None], probability: float | None
) -> None:
    found = probability_of_lines(text, logprobs)
    assert found == (None if probability is None else pytest.approx(probability))


def test_pieces_are_asked_for_no_longer_than_needed() -> None:
    taken: list[str] = []

    def pieces() -> Pieces:
        for text in ("a +", " b\nc", " + d", "\n"):
            taken.append(text)
            yield Piece(text, -0.5)

    written = write(pieces(), FillRequest(("x = ", "\n"), shape=Shape.LINE), lambda draft: None)
    assert written.fill.texts == ("a + b",)
    assert taken == ["a +", " b\nc"]


@pytest.mark.parametrize("reach", [1.0, 0.3, 0.01])
def test_a_window_has_whole_lines(reach: float) -> None:
    lines = "".join(f"line {number}\n" for number in range(5000))
    request = within_reach(FillRequest((f"{lines}here", f" there\n{lines}")), reach)
    prefix, suffix = request.texts
    assert len(prefix) <= BEFORE * reach
    assert len(suffix) <= AFTER * reach
    assert f"\n{lines}here".endswith(f"\n{prefix}")
    assert f" there\n{lines}".startswith(suffix)
    assert suffix.endswith("\n")


def test_a_long_line_is_cut_where_it_must() -> None:
    request = within_reach(FillRequest(("x" * 99_999, "y" * 99_999)), 1.0)
    assert [len(text) for text in request.texts] == [BEFORE, AFTER]


@pytest.mark.parametrize(
    ("context", "reach"), [(None, 1.0), (1_000_000, 1.0), (4096, 0.5), (256, 0.0)]
)
def test_a_small_context_reaches_less_far(context: int | None, reach: float) -> None:
    assert reach_for(context, 64) == pytest.approx(reach, abs=0.05)
    assert (BEFORE + AFTER + CONTEXT) * reach_for(context, 64) > 100
