"""Gaps are cut where they say, in every language, and one seed gives one set."""

from __future__ import annotations

import random
from typing import get_args

import pytest

from engine.evaluation.cutting import (
    PAIR_LINES,
    WEIGHTS,
    Text,
    cut,
    cut_held_out,
    cut_pairs,
    draw_gap,
    is_comment,
)
from engine.evaluation.items import BadData, Item, Kind

TEXT = """import os


def f(x):
    # why
    y = os.path  
    if y:
        return y

    pass
# end
z = 1"""  # noqa: W291
LINES = {"import os", "def f(x):", "y = os.path", "if y:", "return y", "pass", "z = 1"}


def drawn(kind: Kind, count: int = 500) -> set[Item]:
    rng = random.Random(0)
    gaps = [draw_gap(TEXT, kind, "python", rng) for _ in range(count)]
    assert None in gaps  # blank lines and comments are not asked for
    text = Text("t", TEXT, "python")
    return {cut("t", text, *gap, block=kind == "block") for gap in gaps if gap is not None}


@pytest.mark.parametrize("kind", get_args(Kind))
def test_where_a_gap_begins_and_ends(kind: Kind) -> None:
    for item in drawn(kind):
        assert item.kind == kind
        assert item.prefix + item.solution + item.suffix == TEXT
        assert item.solution.strip()
        assert not item.solution.lstrip().startswith("#")
        line_so_far = item.prefix.rpartition("\n")[2]
        if kind == "block":
            assert line_so_far == ""
            assert item.solution.count("\n") <= 5
        else:
            assert item.solution == item.solution.rstrip()
            assert "\n" not in item.solution
            assert item.suffix.partition("\n")[0].strip() == ""
            assert bool(line_so_far.strip()) == (kind == "rest of line")
        if kind == "whole line":
            assert not item.solution[0].isspace()


@pytest.mark.parametrize("kind", ["rest of line", "whole line"])
def test_every_line_of_code_is_drawn(kind: Kind) -> None:
    lines = {(item.prefix.rpartition("\n")[2] + item.solution).strip() for item in drawn(kind)}
    assert lines == LINES


@pytest.mark.parametrize(
    ("language", "line", "comment"),
    [
        ("python", "# why", True),
        ("python", "*args,", False),
        ("python", "// 2", False),
        ("cpp", "#include <vector>", False),
        ("c", "  // why", True),
        ("c", " * of a block", True),
        ("c", "*pointer = 1;", False),
        ("java", "/** why */", True),
        ("css", "#main { }", False),
        ("css", "/* why */", True),
        ("lua", "-- why", True),
        ("shellscript", "# why", True),
        ("rust", "#[derive(Debug)]", False),
        ("rust", "/// why", True),
        ("typescript", " */", True),
    ],
)
def test_what_a_comment_is(language: str, line: str, comment: bool) -> None:
    assert is_comment(line, language) is comment


def texts() -> list[Text]:
    body = "".join(f"value_{n} = compute({n})\n\n" for n in range(80))
    return [
        Text("p/a.py", "# why\n" + body, "python"),
        Text("p/a.lua", "-- why\n" + body, "lua"),
        Text("p/a.cob", body, "cobol"),  # no weight
    ]


def test_one_seed_one_set() -> None:
    found = cut_held_out(texts(), 60, 20, seed=3)
    assert [item.block for item in found] == [False] * 60 + [True] * 20
    assert [item.kind for item in found[:4]] == ["rest of line", "whole line"] * 2
    assert {item.language for item in found} == {"python", "lua"}
    assert len({item.id for item in found}) == 80
    assert cut_held_out(texts(), 60, 20, seed=3) == found != cut_held_out(texts(), 60, 20, seed=4)
    assert {item.language for item in cut_held_out(texts(), 9, 3, 0, {"lua": 1})} == {"lua"}


def test_too_few_gaps_are_told() -> None:
    with pytest.raises(BadData, match="different gaps were found, not 900"):
        cut_held_out(texts(), 800, 100)
    with pytest.raises(BadData, match="no text is in one of python, javascript"):
        cut_held_out([Text("a", "x", "cobol")], 1, 0)


def test_gaps_of_a_pair_are_in_one_text_and_know_each_other() -> None:
    found = cut_pairs(texts(), 30, seed=3)
    assert cut_pairs(texts(), 30, seed=3) == found != cut_pairs(texts(), 30, seed=4)
    assert len({item.id for item in found}) == 60
    for first, second in zip(found[::2], found[1::2], strict=True):
        whole = first.prefix + first.solution + first.suffix
        assert whole == second.prefix + second.solution + second.suffix
        for one, other in ((first, second), (second, first)):
            assert one.beside == (len(other.prefix), len(other.prefix) + len(other.solution))
        apart = second.prefix.count("\n") - first.prefix.count("\n")
        assert 1 <= apart <= PAIR_LINES
    with pytest.raises(BadData, match="different pairs were found, not 9000"):
        cut_pairs(texts(), 9000)


def test_weights_are_of_languages_that_are_cut() -> None:
    assert all(weight > 0 for weight in WEIGHTS.values())


@pytest.mark.parametrize(
    ("prefix", "solution", "expected"),
    [
        ("pri", "nt", True),
        ("x_", "1", True),
        ("x.", "y", False),
        ("x", " y", False),
        ("", "y", False),
    ],
)
def test_inside_a_word(prefix: str, solution: str, expected: bool) -> None:
    assert Item("i", prefix, "", solution, "python", False).starts_inside_word is expected
