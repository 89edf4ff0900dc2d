"""The filters, each by its own table, and the pipeline as a whole."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api import Shape
from engine.fill.brackets import unmatched_closer
from lsp_server.document import Document
from lsp_server.gap import Gap
from lsp_server.suggest.clean import PIPELINE, Around, Filter, clean, filtered
from lsp_server.suggest.clean import pipeline as filters
from lsp_server.suggest.clean.overlap import overwritten

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


AUTO = {"automatic": True}
OVER = {"may_overwrite": True}
DOUBTFUL = {"doubtful": True}
LUA, PYTHON, JS, C = ({"language": each} for each in ("lua", "python", "javascript", "c"))
LOOP = "a, b, " * 20

# The same, with what else is around.
MORE: list[tuple[Filter, Shape, str, str, str, dict[str, Any]]] = [
    (filters.strip_special_tokens, LINE, "‸", "a<eos>b", "a", {}),
    (filters.strip_special_tokens, LINE, "‸", "a<|endoftext|>", "a", {}),
    (filters.strip_special_tokens, LINE, "‸", "a<|mask|>b<fim_middle>", "ab", {}),
    (filters.strip_special_tokens, LINE, "EOS = '<eos>'\n‸", "x = '<eos>'", "x = '<eos>'", {}),
    (filters.strip_special_tokens, LINE, "‸", "<s>a</s>", "<s>a</s>", {}),
    (filters.strip_code_fence, BLOCK, "‸", "```python\na\n```\nDone.", "a", {}),
    (filters.strip_code_fence, BLOCK, "‸", "a\n```", "a", {}),
    (filters.strip_code_fence, BLOCK, "‸", "```js\na\n```", "```js\na\n```",
     {"language": "markdown"}),
    (filters.strip_file_marks, BLOCK, "‸", "\ufeffa", "a", {}),
    (filters.strip_file_marks, BLOCK, "‸", "# src/a.py\nb", "b", {"path": "/x/src/a.py"}),
    (filters.strip_file_marks, BLOCK, "‸", "# a\nb", "# a\nb", {"path": "/x/src/a.py"}),
    (filters.strip_file_marks, BLOCK, "‸", "a\n# End of file\nb", "a", {}),
    (filters.match_indent_style, BLOCK, "{\n\t‸\n}", "a {\n        b\n    }",
     "a {\n\t\tb\n\t}", {}),
    (filters.match_indent_style, BLOCK, "{\n\t‸\n}", "/*\n\t * a\n\t */", "/*\n\t * a\n\t */", {}),
    (filters.match_indent_style, BLOCK, "{\n  ‸\n}", "a {\n\t\tb\n\t}", "a {\n    b\n  }", {}),
    (filters.match_indent_style, BLOCK, "‸", "a {\n\tb\n}", "a {\n\tb\n}", {}),
    (filters.match_indent_style, BLOCK, "{\n   a\n   ‸\n}", "b {\n      c\n   }",
     "b {\n      c\n   }", {}),
    (filters.drop_repeat_of_rest_of_line, LINE, "f([‸])", "1], k=2)", "1], k=2)", OVER),
    (filters.drop_repeat_of_rest_of_line, LINE, "f([‸])", "1], k=2)", "1", {}),
    (filters.drop_repeat_of_rest_of_line, LINE, "f(‸, value)", "a, value)", "a", {}),
    (filters.drop_repeat_of_rest_of_line, LINE, "f(‸value)", "a, val", "a, val", {}),
    (filters.drop_repeat_of_what_is_before, LINE, "  a = ‸", "a = b", " b", {}),
    (filters.drop_repeat_of_what_is_before, LINE, "f()\n  a = ‸", "f()\n  a = b", " b", {}),
    (filters.drop_repeat_of_what_is_before, LINE, "x = self.‸", "self.b", "b", PYTHON),
    (filters.drop_repeat_of_what_is_before, LINE, "a.b.‸", "b.c", "b.c", PYTHON),
    (filters.drop_repeat_of_what_is_before, LINE, "x = a‸", "a + 1", " + 1", PYTHON),
    (filters.drop_repeat_of_what_is_before, LINE, "x = 1‸", "1", "1", PYTHON),
    (filters.drop_repeat_of_what_is_before, LINE, "a + ‸", "a + b", " b", DOUBTFUL),
    (filters.drop_repeat_of_what_is_before, LINE, "x a + ‸", "a + b", "a + b", {}),
    (filters.drop_repeat_of_what_is_before, LINE, "x a + ‸", "a + b", " b", DOUBTFUL),
    (filters.fit_to_open_levels, LINE, "if a:\n    b\n    ‸", " c", "c", PYTHON),
    (filters.fit_to_open_levels, BLOCK, "if a:\n‸", "b\nc", "    b\n    c", PYTHON),
    (filters.fit_to_open_levels, LINE, "a\n    ‸", "b", "", PYTHON),
    (filters.drop_repeat_of_rest_of_line, LINE, "(a‸) {", " > b) {", " > b", {**JS, **OVER}),
    (filters.drop_repeat_of_rest_of_line, LINE, "a<‸> = b();", "c>();", "c", {}),
    (filters.drop_repeat_of_rest_of_line, LINE, "‸ + b()", "a()", "a()", {}),
    (filters.drop_repeat_of_rest_of_line, LINE, "‸ + b()", "a()", "a", DOUBTFUL),
    (filters.drop_repeat_of_rest_of_line, LINE, "f(g(‸)\n", "a))", "a)", {}),
    (filters.drop_repeat_of_rest_of_line, LINE, "f(‸)\n{\n", "a) {", "a", JS),
    (filters.keep_one_line, LINE, "f(‸)", "\n  a,\n)", "\n  a,\n", {}),
    (filters.keep_one_line, LINE, "f(‸)", "a,\n  b)", "a,", {}),
    (filters.match_indent_style, BLOCK, "all:\n‸", "    a", "\ta", {"language": "makefile"}),
    (filters.drop_repeated_blocks, BLOCK, "‸", "a\nb\n\na\nb\n\nc", "a\nb\n\nc", {}),
    (filters.drop_repeated_blocks, BLOCK, "‸", "{\n}\n\n}\n\n}", "{\n}\n\n}\n\n}", {}),
    (filters.drop_repeated_lines, BLOCK, "‸", "a\na\na\nb", "a\nb", {}),
    (filters.drop_repeated_lines, BLOCK, "‸", "a\na\nb", "a\na\nb", {}),
    (filters.drop_repeated_lines, BLOCK, "‸", "self.update(x)\n  self.update(x)",
     "self.update(x)", {}),
    (filters.drop_repeated_lines, BLOCK, "‸", "}\n}\n}\n", "}\n}\n}\n", {}),
    (filters.cut_looping_tail, LINE, "‸", "x = [" + LOOP, "x = [a, b,", {}),
    (filters.cut_looping_tail, LINE, "‸", "x " * 12, "x", {}),
    (filters.cut_looping_tail, LINE, "‸", "# " + "-" * 60, "# " + "-" * 60, {}),
    (filters.cut_looping_tail, LINE, "‸", "[0, 0, 0, 0, 0, 0]", "[0, 0, 0, 0, 0, 0]", {}),
    (filters.cut_looping_tail, LINE, "‸", "y = " + "foobar" * 6, "y = foobar", {}),
    (filters.limit_scope, BLOCK, "def f():\n    ‸\n", "a\n    b\nc = 1", "a\n    b", PYTHON),
    (filters.limit_scope, BLOCK, "    a\n    ‸\n", "if b:\n        c\nd",
     "if b:\n        c", PYTHON),
    (filters.limit_scope, BLOCK, "if a:\n    b\n‸\n", "c\nd", "c\nd", PYTHON),
    (filters.limit_scope, BLOCK, "x‸\n", " {\n  a\n}\ny", " {\n  a\n}", JS),
    (filters.limit_scope, BLOCK, "x‸\n}\n", " {\n  a\n}", " {\n  a", JS),
    (filters.limit_scope, BLOCK, "if (x) {‸\n", "\n  a\n} else {\n  b\n}\nc",
     "\n  a\n} else {\n  b\n}", JS),
    (filters.limit_scope, BLOCK, "void f() {\n  ‸\n}\n", "a;\n#if X\n  b;\n#endif",
     "a;\n#if X\n  b;\n#endif", C),
    (filters.limit_scope, BLOCK, "  ‸\n", "a\nb", "a\nb", {"replaced": "x\ny"}),
    (filters.cut_at_surplus_closer, LINE, "f(a)‸\n", ")", "", PYTHON),
    (filters.cut_at_surplus_closer, LINE, "f(a‸\n", ")", ")", PYTHON),
    (filters.cut_at_surplus_closer, LINE, "f(g(a‸\n", "))", "))", PYTHON),
    (filters.cut_at_surplus_closer, LINE, "f(g(a‸\n", ")))", "))", PYTHON),
    (filters.cut_at_surplus_closer, LINE, "f(a‸)\n", "b))", "b)", {**PYTHON, **OVER}),
    (filters.cut_at_surplus_closer, BLOCK, "f() {\n  ‸\n}\n", "a\n}\n}", "a\n", JS),
    (filters.cut_at_surplus_closer, BLOCK, "f() {\n  ‸\n", "a\n}", "a\n}", JS),
    (filters.cut_at_surplus_closer, LINE, "x‸\n", " = ':)'  # :)", " = ':)'  # :)", PYTHON),
    (filters.cut_at_surplus_closer, LINE, "x‸\n", " = 1 -- :)", " = 1 -- :)", LUA),
    (filters.trim_tail_that_lines_below_repeat, BLOCK, "{\n  ‸\n} else {\n", "a\n}", "a", JS),
    (filters.drop_repeat_of_lines_below, BLOCK, "‸\nabc\ndef\nghi\n", "abc\ndef\nxyz", "", {}),
    (filters.drop_repeat_of_lines_below, LINE, "‸\nself.values.append(item1)\n",
     "self.values.append(item2)", "", {}),
    (filters.drop_repeat_of_lines_below, LINE, "‸\nA = 2\n", "A = 1", "A = 1", {}),
    (filters.drop_repeat_of_lines_below, LINE, "‸\n}\n", "}", "}", {}),
    (filters.drop_repeat_of_line_above, LINE, "  x.append(y)\n  ‸\n", "x.append(y)", "", {}),
    (filters.drop_repeat_of_line_above, LINE, "return\n‸\n", "return", "return", {}),
    (filters.drop_repeat_of_line_above, LINE, "x = 1\n‸\n", "y = 1", "y = 1", {}),
    (filters.drop_empty_comments, BLOCK, "‸\n", "#\n#", "", {}),
    (filters.drop_empty_comments, BLOCK, "‸\n", "# so\n#", "# so\n#", {}),
    (filters.drop_empty_comments, LINE, "x  ‸\n", "#", "#", {}),
    (filters.keep_few_lines, BLOCK, "‸", "a\n\nb", "a", AUTO),
    (filters.keep_few_lines, BLOCK, "‸", "\na\nb\n\nc", "\na\nb", AUTO),
    (filters.keep_few_lines, BLOCK, "‸", "a\nb\nc", "a\nb", {**AUTO, "max_lines": 2}),
    (filters.keep_few_lines, BLOCK, "‸", "a\n\nb\nc", "a\n\nb\nc", {"max_lines": 2}),
    (filters.drop_too_short, LINE, "‸", "x", "", AUTO),
    (filters.drop_too_short, LINE, "‸", "xy", "xy", AUTO),
    (filters.drop_too_short, LINE, "‸", "x", "x", {}),
    (filters.trim_line_ends, LINE, "a = ‸ + b", "c ", "c", {}),
]  # fmt: skip
ALL = [*((*case, {}) for case in CASES), *MORE]


@pytest.mark.parametrize(("filter", "shape", "marked", "text", "left", "more"), ALL)
def test_filter(
    filter: Filter, shape: Shape, marked: str, text: str, left: str, more: dict[str, Any]
) -> None:
    around = Around(*marked.split("‸"), shape, **more)
    assert filter(text, around) == left
    assert filter(left, around) == left, "not idempotent"


def test_every_filter_of_the_pipeline_has_cases() -> None:
    assert {case[0] for case in ALL} == set(PIPELINE)


@pytest.mark.parametrize("filter", PIPELINE, ids=lambda filter: filter.__name__)
def test_a_filter_can_be_left_out(filter: Filter) -> None:
    for each, shape, marked, text, left, more in ALL:
        if each is filter and left != text:
            around = Around(*marked.split("‸"), shape, **more)
            fired: set[str] = set()
            filtered(text, around, (filter.__name__,), fired)
            assert filter.__name__ not in fired


# The line with the gap at ‸, the fill, and how much of the rest of the line it says again.
OVERWRITTEN = [
    ("f(‸)", "a)", 1),
    ("f(‸)", "a", 0),
    ("f(‸)", "g(a)", 0),
    ("f([‸])", "1], k=2)", 2),
    ("f([‸])", "1]", 1),
    ("f([‸])", "1)", 0),
    ("f('‸')", "a')", 2),
    ("f('‸')", "a', b)", 2),
    ("f(‸);", "a);", 2),
    ("f(‸):", "a)", 1),
    ("x = '‸'", "a", 0),
    ("x‸;", " = 1;", 1),
    ("{‸}", "\n  a\n}", 1),
    ("f(‸) + b", "a)", 1),
]


@pytest.mark.parametrize(("marked", "text", "count"), OVERWRITTEN)
def test_overwritten(marked: str, text: str, count: int) -> None:
    assert overwritten(text, Around(*marked.split("‸"), BLOCK, may_overwrite=True)) == count


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
    "<eos>",
    "```\n",
    "#",
    "x.append(y)",
    "a, " * 12,
    "x = ",
    "x.",
    "if x:",
    ") {",
]
pieces = st.lists(st.sampled_from(PIECES), max_size=10).map("".join)


flags = st.fixed_dictionaries(
    {
        "may_overwrite": st.booleans(),
        "automatic": st.booleans(),
        "doubtful": st.booleans(),
        "max_lines": st.sampled_from([None, 1, 3]),
        "language": st.sampled_from(["", "python", "lua", "c", "html", "yaml", "haskell"]),
    }
)


@given(pieces, pieces, pieces, st.sampled_from([LINE, BLOCK]), flags)
@settings(max_examples=600, deadline=None)
def test_cleaning_is_idempotent_and_invents_nothing(
    prefix: str, suffix: str, text: str, shape: Shape, flags: dict[str, Any]
) -> None:
    around = Around(prefix, suffix, shape, **flags)
    once = filtered(text, around)
    assert filtered(once, around) == once
    left = iter(text)
    shown = (character for character in once if not character.isspace())
    assert all(character in left for character in shown), "a character was added"
    assert overwritten(once, around) <= len(around.line_after)
