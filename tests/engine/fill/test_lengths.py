"""How long the holes are that are tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from engine.api import (
    FillRequest,
    Shape,
)
from engine.checkpoints.profile import Profile
from engine.fill import infill
from engine.fill.infill import LocalEngine
from engine.fill.lengths import guess_shape, lay_out_candidates


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

    def spy(prompt: Any, profile: Profile, lengths: list[int], largest: int) -> Any:
        laid_out.append(lengths)
        return lay_out_candidates(prompt, profile, lengths, largest)

    monkeypatch.setattr(infill, "lay_out_candidates", spy)
    engine.fill(FillRequest(tuple(case.text.split("|")), **{"shape": Shape.LINE, **case.options}))
    assert laid_out == [case.expected]


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
