"""Brackets and indentation around a gap: what fits, and what does not."""

from __future__ import annotations

import pytest

from engine.fill.brackets import Balance, balance
from engine.fill.structure import WINDOW, Faults, Surroundings


def faults(text: str, language: str = "python") -> Faults:
    """Of the fills that stand between ⟦ and ⟧ in `text`."""
    first, *rest = text.split("⟦")
    fills, texts = zip(*(part.split("⟧") for part in rest), strict=True)
    return Surroundings((first, *texts), language).faults(fills)


@pytest.mark.parametrize(
    ("line", "surplus"),
    [
        ("f(a[1], {b: 2})", 0),
        ("f(a", 0),
        ("f(a))", 1),
        (")])", 3),
        ("f(a]", 1),
        ('print(")")', 0),
        ("print('it\\'s )')", 0),
        ("a  # )", 0),
    ],
)
def test_closers_that_nothing_on_the_line_opens(line: str, surplus: int) -> None:
    assert faults(f"⟦{line}⟧\n").surplus == surplus
    assert faults(f"{line[:1]}⟦{line[1:]}⟧\n").surplus == surplus


@pytest.mark.parametrize(
    ("text", "unmatched"),
    [
        ("x = f(⟦a)⟧\n", 0),
        ("x = f(⟦a⟧\n", 1),
        ("x = f(⟦a⟧)\n", 0),
        ("x = f(⟦a)⟧)\n", 1),
        ("x = [\n⟦    1,⟧\n]\n", 0),
        ("x = [\n⟦    1,\n]⟧\n]\n", 1),
        ("⟦from a import (⟧\n    b,\n)\n", 0),
        ("⟦from a import b⟧\n    b,\n)\n", 1),
        ("f({\n⟦)⟧\n})\n", 3),
        ("f(⟦a, ⟧b, ⟦c)⟧\n", 0),
        ("f(⟦a), ⟧b, ⟦c)⟧\n", 1),
    ],
)
def test_brackets_without_a_partner(text: str, unmatched: int) -> None:
    assert faults(text).unmatched == unmatched


def test_what_is_too_far_away_to_be_known_is_no_fault() -> None:
    far = "x = 1\n" * (WINDOW // 4)
    assert faults(f"f(\n{far}⟦)⟧\n").unmatched == 0
    assert faults(f"⟦f(⟧\n{far})\n").unmatched == 0
    assert faults("⟦)⟧\n").unmatched == 1


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("⟦if a:⟧\n    b()\n", "python", (False, False)),
        ("⟦a()⟧\n    b()\n", "python", (True, False)),
        ("⟦if a:⟧\nb()\n", "python", (False, True)),
        ("    ⟦if a:⟧\n\n  # out\n", "python", (False, True)),
        ("⟦a = f(⟧\n    b)\n", "python", (False, False)),
        ("f(⟦a,⟧\n    b)\n", "python", (False, False)),
        ("⟦a = b⟧\n    .c()\n", "javascript", (False, False)),
        ("⟦if (a) {⟧\n\tb()\n}\n", "javascript", (False, False)),
        ("⟦if (a) {⟧\n}\n", "javascript", (False, False)),
        ("⟦if (a) {⟧\nb()\n", "javascript", (False, True)),
        ("⟦case a:⟧\nb()\n", "javascript", (False, True)),
        ("f() {\n  ⟦a();⟧\n    b();\n}\n", "javascript", (True, False)),
        ("f({\n  ⟦a: 1⟧\n    b: 2\n})\n", "python", (False, False)),
        ("⟦if a then⟧\n  b()\nend\n", "lua", (False, False)),
        ("⟦if a:⟧", "python", (False, False)),
        ("⟦⟧\n    b()\n", "python", (False, False)),
        ("⟦if a:⟧\r\n    b()\r\n", "python", (False, False)),
        ("⟦a()⟧\r\n    b()\r\n", "python", (True, False)),
    ],
)
def test_a_block_and_the_line_that_opens_it(
    text: str, language: str, found: tuple[bool, bool]
) -> None:
    told = faults(text, language)
    assert (told.unopened, told.unfilled) == found


def test_of_a_line_of_a_megabyte_what_is_near_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counted(text: str, language: str) -> Balance:
        read.append(len(text))
        return balance(text, language)

    monkeypatch.setattr("engine.fill.structure.balance", counted)
    line = "f(" + "[1], " * 200_000
    assert not Surroundings((line, line), "python").faults(("2",)).surplus
    assert read
    assert max(read) <= 2 * WINDOW + 1
