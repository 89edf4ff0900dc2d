"""The filters, each by its own table, and the pipeline as a whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api import Shape
from lsp_server.document import Document
from lsp_server.gap import Gap
from lsp_server.suggest import clean as filters
from lsp_server.suggest.clean import Around, Filter, clean, filtered, unmatched_closer

LINE, BLOCK = Shape.LINE, Shape.BLOCK

# filter, text around with the gap at ‸, the fill, what is left of it
CASES: list[tuple[Filter, Shape, str, str, str]] = [
    (filters.keep_one_line, LINE, "‸", "a\nb", "a"),
    (filters.keep_one_line, LINE, "‸", "\na", ""),
    (filters.keep_one_line, BLOCK, "‸", "a\nb", "a\nb"),
    (filters.drop_double_indent, BLOCK, "if x:\n    ‸", "    a\n    b", "a\n    b"),
    (filters.drop_double_indent, BLOCK, "if x:\n    ‸", "  a", "  a"),
    (filters.drop_double_indent, BLOCK, "if x:\n\t‸", "\ta", "a"),
    (filters.drop_double_indent, BLOCK, "if x:\n‸", "    a", "    a"),
    (filters.drop_double_indent, LINE, "x = ‸", "  1", "1"),
    (filters.drop_double_indent, LINE, "x =‸", " 1", " 1"),
    (filters.drop_repeat_of_rest_of_line, LINE, "f(‸)", "a, b)", "a, b"),
    (filters.drop_repeat_of_rest_of_line, LINE, "f(‸)", "g(x)", "g(x)"),
    (filters.drop_repeat_of_rest_of_line, LINE, "f(‸)", "g(x))", "g(x)"),
    (filters.drop_repeat_of_rest_of_line, LINE, "f(‸):", "a):", "a"),
    (filters.drop_repeat_of_rest_of_line, LINE, "f(‸)", "')'", "')'"),
    (filters.drop_repeat_of_rest_of_line, LINE, "x = '‸'", "a'", "a"),
    (filters.drop_repeat_of_rest_of_line, LINE, "x‸;", " = 1;", " = 1"),
    (filters.drop_repeat_of_rest_of_line, LINE, "f(‸b)", "a, ", "a, "),
    (filters.drop_repeat_of_rest_of_line, LINE, "f(‸b)", "a, b)", "a, "),
    (filters.drop_repeat_of_rest_of_line, LINE, "x = ‸y + 1", "y + 1", ""),
    (filters.drop_repeat_of_rest_of_line, LINE, "x = ‸\n", "y)", "y)"),
    (filters.drop_repeat_of_rest_of_line, BLOCK, "f(‸)\n", "a,\n  b)", "a,\n  b"),
    (filters.drop_repeat_of_lines_below, LINE, "‸\nb = 2\n", "b = 2", ""),
    (filters.drop_repeat_of_lines_below, LINE, "‸\n\n  b = 2\n", "b = 2", ""),
    (filters.drop_repeat_of_lines_below, BLOCK, "‸\nb\nc\n", "b\n\nc", ""),
    (filters.drop_repeat_of_lines_below, BLOCK, "‸\nb\n", "b\nc", "b\nc"),
    (filters.drop_repeat_of_lines_below, LINE, "‸ x\nb\n", "b", "b"),
    (filters.trim_tail_that_lines_below_repeat, BLOCK, "{\n  ‸\n}\n", "a\n}", "a"),
    (filters.trim_tail_that_lines_below_repeat, BLOCK, "{\n  ‸\n}\n", "if x {\n  }", "if x {\n  }"),
    (filters.trim_tail_that_lines_below_repeat, BLOCK, "{\n‸\n}\n", "if x {\n}", "if x {\n}"),
    (filters.trim_tail_that_lines_below_repeat, BLOCK, "‸\nb\nc\n", "a\nb\nc", "a"),
    (filters.trim_tail_that_lines_below_repeat, BLOCK, "‸\n    b\n", "a\nb", "a\nb"),
    (filters.trim_tail_that_lines_below_repeat, BLOCK, "f()\n  ‸\nend\n", "a\nend", "a"),
    (filters.trim_tail_that_lines_below_repeat, BLOCK, "f()\n‸\nend\n", "if x then\nend",
     "if x then\nend"),
    (filters.trim_line_ends, BLOCK, "‸", "a  \nb\t", "a\nb"),
    (filters.trim_line_ends, BLOCK, "‸\n", "a\n\n", "a"),
    (filters.trim_line_ends, LINE, "‸b", "a, ", "a, "),
    (filters.drop_blank, LINE, "‸", " \n", ""),
    (filters.drop_blank, LINE, "‸", " a", " a"),
]  # fmt: skip


@pytest.mark.parametrize(("filter", "shape", "marked", "text", "left"), CASES)
def test_filter(filter: Filter, shape: Shape, marked: str, text: str, left: str) -> None:
    around = Around(*marked.split("‸"), shape)
    assert filter(text, around) == left
    assert filter(left, around) == left, "not idempotent"


def test_every_filter_of_the_pipeline_has_cases() -> None:
    assert {case[0] for case in CASES} == set(filters.PIPELINE)


PIPED = [
    (LINE, "def f(‸):\n    pass\n", "a, b):", "a, b"),
    (LINE, "x = ‸\r\n", " 1  ", "1"),
    (BLOCK, "if x:\r\n    ‸\r\ny\r\n", "    a\n    b\ny\n", "a\r\n    b"),
    (BLOCK, "def f():\n    ‸\n", "\n", ""),
]


@pytest.mark.parametrize(("shape", "marked", "text", "left"), PIPED)
def test_pipeline(shape: Shape, marked: str, text: str, left: str) -> None:
    document = Document("file:///a", 1, "python", marked.replace("‸", ""))
    at = marked.index("‸")
    assert clean(text, Gap(document, at, at, shape, "")) == left


CLOSERS = [("a)", 1), ("(a)", None), ("(]", 1), ("')'", None), ("it's)", 4), ("'\n)", 2)]
CLOSERS += [('"\\")")', 5), ("{[()]}", None), ("", None)]


@pytest.mark.parametrize(("text", "index"), CLOSERS)
def test_unmatched_closer(text: str, index: int | None) -> None:
    assert unmatched_closer(text) == index


PIECES = [
    "a",
    "b c",
    " ",
    "    ",
    "\t",
    "\n",
    "(",
    ")",
    "{",
    "}",
    "'",
    ";",
    "end",
    "if x then",
    "\n\n",
]
pieces = st.lists(st.sampled_from(PIECES), max_size=10).map("".join)


@given(pieces, pieces, pieces, st.sampled_from([LINE, BLOCK]))
@settings(max_examples=400, deadline=None)
def test_cleaning_is_idempotent_and_invents_nothing(
    prefix: str, suffix: str, text: str, shape: Shape
) -> None:
    around = Around(prefix, suffix, shape)
    once = filtered(text, around)
    assert filtered(once, around) == once
    left = iter(text)
    assert all(character in left for character in once), "a character was added"
