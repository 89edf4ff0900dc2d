"""What stands around the gap is there once afterwards, in every language."""

from __future__ import annotations

import pytest

from lsp_server.document import Document
from lsp_server.gap import cut
from lsp_server.suggest.choose import best_by_hand, best_way, ways_to_clean
from lsp_server.suggest.filled import as_filled
from lsp_server.syntax.parsing import Parsing
from lsp_server.syntax.tree import parse

# language, text with the gap at ‸, the fill, and what belongs into the gap.
AFTER = [
    ("javascript", "if (a‸) {\n  b();\n}\n", " > 0) {", " > 0"),
    ("javascript", "if (a‸) {\n  b();\n}\n", " > 0){", " > 0"),
    ("java", "class A { void f() {\n  while (a‸) {\n    b();\n  }\n}}\n", " > 0) {", " > 0"),
    ("c", "int f() {\n  for (i = 0; i < n‸) {\n    b();\n  }\n}\n", "; i++) {", "; i++"),
    ("c", "int f(‸)\n{\n}\n", "int a) {", "int a"),
    ("rust", "fn f() {\n    match x‸ {\n        _ => {}\n    }\n}\n", ".len() {", ".len()"),
    ("go", "package a\n\nfunc f(a int‸) {\n\treturn\n}\n", ", b int) {", ", b int"),
    ("bash", "if [ $a‸ ]; then\n  b\nfi\n", " -gt 0 ]; then", " -gt 0"),
    ("lua", "if a‸ then\n  b()\nend\n", " > 0 then", " > 0"),
    ("ruby", "xs.each‸ do |x|\n  b\nend\n", "_with_index do |x|", "_with_index"),
    ("python", "if a‸:\n    b()\n", " > 0:", " > 0"),
    ("python", "def f(a‸) -> int:\n    b()\n", ", b) -> int:", ", b"),
    ("css", "a‸ {\n  color: red;\n}\n", ":hover {", ":hover"),
    ("rust", "fn f() {\n    let v: Vec‸> = Vec::new();\n}\n", "<u8>();", "<u8"),
    ("rust", "fn f() {\n    let v: Vec<‸> = Vec::new();\n}\n", "u8> = Vec::new();", "u8"),
    ("typescript", "let a: Map<A‸> = new Map();\n", ", B> = new Map();", ", B"),
    ("cpp", "std::vector<‸> xs;\n", "int> xs;", "int"),
    ("python", "x = 'a‸' + y\n", "bc' + y", "bc"),
    ("javascript", "const x = `a ${‸}` + b;\n", "cd}` + b;", "cd"),
    ("java", "class A { int x = a ‸ + b; }\n", "* c +", "* c"),
    ("go", "package a\n\nvar x = a ‸ || c\n", "&& b ||", "&& b"),
    ("html", "<p>‸</p>\n", "ab</p>", "ab"),
    ("json", '{"a": [‸], "b": 2}\n', '1, 2], "b": 2}', "1, 2"),
    ("sql", "SELECT ‸ FROM t;\n", "ab FROM t;", "ab"),
    # These say something of their own.
    ("javascript", "const x = ‸ + bar();\n", "foo()", "foo()"),
    ("python", "f(‸)\n", "g(x)", "g(x)"),
    ("python", 'f(‸"b")\n', '"a" ', '"a" '),
    ("c", "int a[] = {‸};\n", "{1}, {2}", "{1}, {2}"),
]
BEFORE = [
    ("python", "total = ‸\n", "total = a + b", "a + b"),
    ("python", "def f(self):\n    self.total = ‸\n", "self.total = a + b", "a + b"),
    ("python", "def f(self):\n    x = self.‸\n", "self.total", "total"),
    ("python", "def f():\n    return ‸\n", "return ab", "ab"),
    ("python", "print(‸)\n", "print(ab)", "ab"),
    ("python", 'def f():\n    """‸"""\n', '"""Return one."""', "Return one."),
    ("javascript", "class A { f() {\n  this.‸\n} }\n", "this.total = 1;", "total = 1;"),
    ("javascript", "const total = ‸\n", "total = a + b;", "a + b;"),
    ("javascript", "if (x) return ‸\n", "return ab;", "ab;"),
    ("typescript", "const a: ‸\n", "const a: number = 1;", "number = 1;"),
    ("rust", "fn f() {\n    let x = std::‸;\n}\n", "std::mem::take(y);", "mem::take(y)"),
    ("cpp", "int f() {\n  p->‸\n}\n", "p->next = q;", "next = q;"),
    ("java", "class A { void f() {\n  this.a = ‸\n} }\n", "this.a = b;", "b;"),
    ("go", "package a\n\nfunc f() {\n\ttotal := ‸\n}\n", "total := a + b", "a + b"),
    ("ruby", "@a = ‸\n", "@a = b + c", "b + c"),
    ("lua", "local x = ‸\n", "local x = ab", "ab"),
    ("bash", "total=‸\n", "total=$a", "$a"),
    ("markdown", "# ‸\n", "# Title", "Title"),
    # These say something of their own.
    ("python", "x = node.next.‸\n", "next.value", "next.value"),
    ("python", "print(max(‸))\n", "max(a, b), c", "max(a, b), c"),
    ("python", "x = [0, ‸]\n", "0, 0", "0, 0"),
    ("python", "x = s * ‸\n", "s * s", "s * s"),
    ("c", "long ‸\n", "long x;", "long x;"),
    ("json", "[‸]\n", "[1], [2]", "[1], [2]"),
]


@pytest.mark.parametrize("may_overwrite", [True, False])
@pytest.mark.parametrize(("language", "marked", "fill", "left"), AFTER + BEFORE)
async def test_once(language: str, marked: str, fill: str, left: str, may_overwrite: bool) -> None:
    at, document = marked.index("‸"), document_of(language, marked)
    gap, parsing = cut(document, at, tree=parse(document)), Parsing()
    how = {"may_overwrite": may_overwrite}
    choice, _ = await best_way(ways_to_clean(fill, gap, automatic=True, **how), gap, parsing)
    best = await best_by_hand([(fill, 1.0)], gap, parsing, **how)
    in_a_file, _ = await best_way(ways_to_clean(fill, gap), gap, parsing)
    parsing.close()
    assert in_a_file.text == left
    for each in (choice, best[0].what):
        filled = document.text[:at] + each.text + document.text[at + each.covers :]
        assert filled == marked.replace("‸", left)


# All of the fill is an end of the line, and the file has more errors with it.
NOTHING_OF_ITS_OWN = [
    ("rust", "fn f() {\n    let v: u8‸ = b(1);\n}\n", "(1);"),
    ("rust", "fn f() {\n    let v: Vec‸> = Vec::new();\n}\n", "::new();"),
    ("c", "int x‸ = b(1);\n", "(1);"),
    ("java", "class A { int x‸ = b(1); }\n", "(1); }"),
]


@pytest.mark.parametrize(("language", "marked", "fill"), NOTHING_OF_ITS_OWN)
async def test_nothing_is_better_than_an_end_of_the_line(
    language: str, marked: str, fill: str
) -> None:
    document = document_of(language, marked)
    gap, parsing = cut(document, marked.index("‸"), tree=parse(document)), Parsing()
    for how in ({"automatic": True, "may_overwrite": True}, {}):
        way, _ = await best_way(ways_to_clean(fill, gap, **how), gap, parsing)
        assert not way.text
    assert await best_by_hand([(fill, 1.0)], gap, parsing) == []
    parsing.close()


# language, text, the fill, and what is offered to somebody who asks by hand.
BEFORE_A_CLOSER = [
    ("javascript", "function f() {\n  if (a) {\n    return 1;\n  ‸\n}\n", "}", "}"),
    ("javascript", "function f() {\n‸}\n", "  return 1;\n}", "  return 1;\n"),
    ("c", "int f() {\n    a();\n‸}\n", "    return 1;\n}", "    return 1;\n"),
    ("python", "f(‸)\n", "\n    a,\n    b,\n)", "\n    a,\n    b,\n"),
    ("python", "x = [\n    1,\n‸]\n", "    2,\n]", "    2,\n"),
    ("python", "x = [\n    1,\n    ‸\n]\n", "2,\n]", "2,"),
    ("lua", "function f()\n‸end\n", "  return 1\nend", "  return 1\n"),
    ("ruby", "def f\n‸end\n", "  1\nend", "  1\n"),
    ("rust", "fn f() {\n    g(h(‸)\n}\n", "1))", "1)"),
]


@pytest.mark.parametrize(("language", "marked", "fill", "left"), BEFORE_A_CLOSER)
async def test_something_is_offered_before_a_closer(
    language: str, marked: str, fill: str, left: str
) -> None:
    document = document_of(language, marked)
    gap, parsing = cut(document, marked.index("‸"), tree=parse(document)), Parsing()
    best = await best_by_hand([(fill, 1.0)], gap, parsing)
    parsing.close()
    assert [each.what.text for each in best] == [left]


# The text with the gap, and a fill whose opener is left open though the line brings its own.
OWN_OPENERS = [
    ("javascript", "if (a‸ {\n  b();\n}\n", ") {"),
    ("java", "class A { void f() ‸ {\n} }\n", "{"),
    ("rust", "fn f() ‸ {\n}\n", "{"),
    ("c", "int f() ‸\n{\n}\n", "{"),
]


@pytest.mark.parametrize(("language", "marked", "fill"), OWN_OPENERS)
def test_an_opener_is_not_closed_for_a_line_that_has_its_own(
    language: str, marked: str, fill: str
) -> None:
    document = document_of(language, marked)
    gap = cut(document, marked.index("‸"))
    (choice, *_) = ways_to_clean(fill, gap, without=("drop_repeat_of_rest_of_line",))
    assert as_filled(gap, choice).text == marked.replace("‸", choice.text)
    assert "{" in choice.text


def document_of(language: str, marked: str) -> Document:
    return Document("file:///a", 1, language, marked.replace("‸", ""))
