"""Where a gap is cut: shape, indentation, node, with and without a tree; what the model reads."""

from __future__ import annotations

import pytest
from lsprotocol import types as t

from engine.api import Shape
from lsp_server.document import Document
from lsp_server.gap import MOST_AFTER, MOST_BEFORE, STRIDE, Gap, cut
from lsp_server.syntax.grammars import GRAMMARS, grammar
from lsp_server.syntax.tree import parse

LINE, BLOCK = Shape.LINE, Shape.BLOCK

# language, text with the cursor at ‸ (or a selection between two), shape, shape without a tree.
SHAPES = [
    ("python", "x = ‸\n", LINE, LINE),
    ("python", "‸", LINE, LINE),
    ("python", "def f(a):\n    ‸\n", BLOCK, BLOCK),
    ("python", "def f(a):\n    ‸", BLOCK, BLOCK),
    ("python", "def f(a):\n\n    ‸\n\nx = 1\n", BLOCK, BLOCK),
    ("python", "def f(a):\n    ‸\n    return 1\n", LINE, LINE),
    ("python", "def f(\n    a,\n):\n    ‸\n", BLOCK, BLOCK),
    ("python", "class A:\n    def f(a):  # why\n        ‸\n", BLOCK, LINE),
    ("python", "if y:\n    def f(a):\n        '''Says.'''\n        ‸\n\n    x = 1\n", BLOCK, LINE),
    ("python", "def f(a):\n    '''Says.'''\n    return 1\n    ‸\n", LINE, LINE),
    ("python", "if x:\n    ‸\nelse:\n    pass\n", BLOCK, BLOCK),
    ("python", "match x:\n    case 1:\n        ‸\n", BLOCK, BLOCK),
    ("python", "a = 1\n‸\nb = 2\n", LINE, LINE),
    ("python", "'''Note:\n    ‸\n'''\n", LINE, BLOCK),
    ("python", "# so:\n‸\n", LINE, BLOCK),
    ("python", "f(\n    ‸\n)\n", BLOCK, BLOCK),
    ("python", "x = '🎉é'\ndef f():  # 🎉\n    ‸\n", BLOCK, LINE),
    ("python", "def f():\r\n    ‸\r\n", BLOCK, BLOCK),
    ("python", "a\f\ndef f():\n    ‸\n", BLOCK, BLOCK),
    ("python", "a ‸+ b‸\n", LINE, LINE),
    ("python", "‸a\n‸b\n", BLOCK, BLOCK),
    ("javascript", "function f(a) {\n  ‸\n}\n", BLOCK, BLOCK),
    ("javascript", "const f = (a) => {\n  ‸\n}\n", BLOCK, BLOCK),
    ("javascript", "f({\n  a: 1,\n  ‸\n})\n", LINE, LINE),
    ("typescriptreact", "function F(): X {\n  ‸\n}\n", BLOCK, BLOCK),
    ("typescript", "class A {\n  ‸\n}\n", BLOCK, BLOCK),
    ("rust", "fn f() -> i32 {\n    ‸\n}\n", BLOCK, BLOCK),
    ("rust", "fn f() -> i32 {\n    ‸\n\nfn g() {}\n", BLOCK, BLOCK),
    ("go", "func f() int {\n\t‸\n}\n", BLOCK, BLOCK),
    ("c", "int f(void) { // why\n  ‸\n}\n", BLOCK, LINE),
    ("cpp", "struct A {\n  ‸\n};\n", BLOCK, BLOCK),
    ("java", "class A {\n  int f() {\n    ‸\n  }\n}\n", BLOCK, BLOCK),
    ("lua", "function f()\n  ‸\nend\n", BLOCK, LINE),
    ("lua", "if x then\n  ‸\nend\n", BLOCK, BLOCK),
    ("lua", "f()\n‸\n", LINE, LINE),
    ("shellscript", "for x in y; do\n  ‸\ndone\n", BLOCK, BLOCK),
    ("cobol", "IF X {\n  ‸\n", BLOCK, BLOCK),
]


def cut_at_marks(language: str, marked: str, with_tree: bool) -> Gap:
    start, end = marked.index("‸"), marked.rindex("‸")
    text = marked.replace("‸", "")
    document = Document("file:///a", 1, language, text)
    tree = parse(document) if with_tree else None
    gap = cut(document, start, end - 1 if end > start else None, tree)
    assert gap.prefix + gap.replaced + gap.suffix == text
    return gap


@pytest.mark.parametrize(("language", "marked", "shape", "plain"), SHAPES)
def test_shape(language: str, marked: str, shape: Shape, plain: Shape) -> None:
    assert cut_at_marks(language, marked, with_tree=True).shape is shape
    assert cut_at_marks(language, marked, with_tree=False).shape is plain


# language, text with the cursor at ‸: "block" or "line", then the place where it is not code.
EVERYWHERE = [
    ("python", "def f():‸\n", "block"),
    ("python", "def f(): ‸\nx = 1\n", "block"),
    ("python", "if x:‸\n    y\n", "line"),
    ("python", "x = {‸}\n", "line"),
    ("python", "x = {\n    ‸\n}\n", "block"),
    ("python", "f(‸)\n", "line"),
    ("python", "x = a if b else ‸\n", "line"),
    ("python", "x = lambda: ‸\n", "line"),
    ("python", "class A:\n    def f(self):\n        x = 1\n        ‸\n", "line"),
    ("python", "try:\n    a()\nexcept E:\n    ‸\n", "block"),
    ("python", "with a as b:\n    ‸\n", "block"),
    ("python", "x = 1‸\n", "line"),
    ("python", "# a ‸\n", "line comment"),
    ("python", "x = 1  # a‸", "line comment"),
    ("python", "x = 'a ‸'\n", "line string"),
    ("python", "x = 'a'‸\n", "line"),
    ("python", "x = 'a ‸\n", "line string"),
    ("python", "x = f'a {‸}'\n", "line"),
    ("python", "'''\n‸\n'''\n", "line string"),
    ("python", "import ‸\n", "line import"),
    ("python", "import os‸\n", "line import"),
    ("python", "from a import (\n    ‸\n)\n", "block import"),
    ("python", "from ‸\n", "line import"),
    ("python", "x = ('a' ‸ 'b')\n", "line"),
    ("javascript", "function f() {‸}\n", "block"),
    ("javascript", "function f() {‸\n}\n", "block"),
    ("javascript", "const x = {‸}\n", "line"),
    ("javascript", "const f = x => ‸\n", "line"),
    ("javascript", "switch (x) {\n  case 1:\n    ‸\n}\n", "block"),
    ("javascript", "try {\n  a()\n} catch (e) {\n  ‸\n}\n", "block"),
    ("javascript", "import {‸} from 'x'\n", "line import"),
    ("javascript", "const a = require('‸')\n", "line import"),
    ("javascript", "// a ‸\n", "line comment"),
    ("javascript", "/* a ‸ */\n", "line comment"),
    ("javascript", "/* a */‸\n", "line"),
    ("javascript", "x = `a ${‸} b`\n", "line"),
    ("javascript", "x = `a ‸ b`\n", "line string"),
    ("javascriptreact", "const a = <div>\n  ‸\n</div>\n", "block"),
    ("typescript", "interface A {\n  ‸\n}\n", "block"),
    ("typescript", "enum A {\n  ‸\n}\n", "block"),
    ("typescript", "type A = ‸\n", "line"),
    ("typescript", "import ‸\n", "line import"),
    ("typescriptreact", "const a = <ul>\n  <li>a</li>\n  ‸\n</ul>\n", "line"),
    ("typescriptreact", 'return <div className="‸"/>\n', "line string"),
    ("go", "if x {\n\t‸\n}\n", "block"),
    ("go", "switch x {\ncase 1:\n\t‸\n}\n", "block"),
    ("go", "type A struct {\n\t‸\n}\n", "block"),
    ("go", 'import "fm‸"\n', "line import"),
    ("go", 'import (\n\t"fmt"\n\t‸\n)\n', "line import"),
    ("go", "func f() {\n\tx := 1\n\t‸\n}\n", "line"),
    ("go", "// a ‸\n", "line comment"),
    ("go", "x := `a\n‸\nb`\n", "line string"),
    ("rust", "match x {\n    Some(y) => {\n        ‸\n    }\n}\n", "block"),
    ("rust", "match x {\n    ‸\n}\n", "block"),
    ("rust", "impl A {\n    ‸\n}\n", "block"),
    ("rust", "fn f<'a>(x: &'a str) {\n    let y = ‸;\n}\n", "line"),
    ("rust", "use std::‸;\n", "line import"),
    ("rust", "/// a ‸\nfn f() {}\n", "line comment"),
    ("rust", "/// a\n‸\nfn f() {}\n", "line"),
    ("rust", 'let x = "a ‸";\n', "line string"),
    ("c", "switch (x) {\ncase 1:\n  ‸\n}\n", "block"),
    ("c", "struct a {\n  ‸\n};\n", "block"),
    ("c", "int a[] = {‸};\n", "line"),
    ("c", "#include <‸>\n", "line import"),
    ("c", "#include ‸\n", "line import"),
    ("c", 'char *x = "a‸";\n', "line string"),
    ("c", "/*\n * a ‸\n */\n", "line comment"),
    ("cpp", "namespace a {\n‸\n}\n", "block"),
    ("cpp", "class A {\npublic:\n  ‸\n};\n", "block"),
    ("cpp", "auto f = [&](int x) {\n  ‸\n};\n", "block"),
    ("cpp", "using namespace ‸;\n", "line import"),
    ("java", "Runnable r = () -> {\n  ‸\n};\n", "block"),
    ("java", "class A {\n  void f() {‸}\n}\n", "block"),
    ("java", "switch (x) {\n  case 1:\n    ‸\n}\n", "block"),
    ("java", "import java.‸;\n", "line import"),
    ("java", "/** a ‸ */\n", "line comment"),
    ("java", "int[] a = {‸};\n", "line"),
    ("lua", "local f = function(a)\n  ‸\nend\n", "block"),
    ("lua", "for i = 1, 2 do\n  ‸\nend\n", "block"),
    ("lua", "local t = {\n  ‸\n}\n", "block"),
    ("lua", "-- a ‸\n", "line comment"),
    ("lua", "--[[ a ‸ ]]\n", "line comment"),
    ("lua", 'local m = require("‸")\n', "line import"),
    ("lua", "x = 'a‸'\n", "line string"),
    ("ruby", "def f(a)\n  ‸\nend\n", "block"),
    ("ruby", "def f\n  ‸\nend\n", "block"),
    ("ruby", "def f\n  a\n  ‸\nend\n", "line"),
    ("ruby", "class A < B\n  ‸\nend\n", "block"),
    ("ruby", "if f(x)\n  ‸\nend\n", "block"),
    ("ruby", "while x\n  ‸\nend\n", "block"),
    ("ruby", "if x\n  a\nelse\n  ‸\nend\n", "block"),
    ("ruby", "case x\nwhen 1\n  ‸\nend\n", "block"),
    ("ruby", "xs.each do |x|\n  ‸\nend\n", "block"),
    ("ruby", "f(a)\n‸\n", "line"),
    ("ruby", "# a ‸\n", "line comment"),
    ("ruby", 'x = "a #{‸}"\n', "line"),
    ("ruby", 'x = "a ‸"\n', "line string"),
    ("ruby", "require '‸'\n", "line import"),
    ("bash", "f() {\n  ‸\n}\n", "block"),
    ("bash", "if x; then\n  ‸\nfi\n", "block"),
    ("bash", "case x in\n  a)\n    ‸\n    ;;\nesac\n", "block"),
    ("bash", "while read x; do\n  ‸\ndone\n", "block"),
    ("bash", "# a ‸\n", "line comment"),
    ("bash", 'echo "a ‸"\n', "line string"),
    ("bash", 'echo "a $(‸)"\n', "line"),
    ("bash", "source ./‸\n", "line import"),
    ("html", "<div>\n  ‸\n</div>\n", "block"),
    ("html", "<ul>\n  <li>a</li>\n  ‸\n</ul>\n", "line"),
    ("html", "<script>\n  ‸\n</script>\n", "block"),
    ("html", "<p>a ‸</p>\n", "line"),
    ("html", "<!-- a ‸ -->\n", "line comment"),
    ("css", "a {\n  ‸\n}\n", "block"),
    ("css", "a {‸}\n", "block"),
    ("css", "a { color: ‸; }\n", "line"),
    ("css", "@media print {\n  ‸\n}\n", "block"),
    ("css", "/* a ‸ */\n", "line comment"),
    ("css", '@import url("‸");\n', "line import"),
    ("json", "{\n  ‸\n}\n", "block"),
    ("json", '{"a": [\n  ‸\n]}\n', "block"),
    ("json", '{"a": ‸}\n', "line"),
    ("json", '{"a‸": 1}\n', "line string"),
    ("plaintext", "Dear ‸\n", "line"),
    ("markdown", "It's ‸\n", "line"),
    ("cobol", "IF X {\n  ‸\n", "block"),
]


@pytest.mark.parametrize(("language", "marked", "expected"), EVERYWHERE)
def test_shape_and_place_in_every_language(language: str, marked: str, expected: str) -> None:
    shape, _, place = expected.partition(" ")
    gap = cut_at_marks(language, marked, with_tree=True)
    assert (gap.shape.value, gap.place.value) == (shape, place or "code")


def test_every_language_has_cases() -> None:
    same = {"sh", "shellscript", "jsonc"}
    assert GRAMMARS.keys() - same <= {case[0] for case in EVERYWHERE}


NODES = [
    ("python", "def f():\n    return ‸x\n", "identifier", "    "),
    ("python", "x = 'a‸b'\n", "string_content", ""),
    ("go", "func f() {\n\t‸\n}\n", "block", "\t"),
    ("plaintext", "  a ‸", None, "  "),
]


@pytest.mark.parametrize(("language", "marked", "node", "indent"), NODES)
def test_node_and_indent(language: str, marked: str, node: str | None, indent: str) -> None:
    gap = cut_at_marks(language, marked, with_tree=True)
    assert (gap.node, gap.indent) == (node, indent)


@pytest.mark.parametrize("language", sorted(GRAMMARS))
def test_every_grammar_loads(language: str) -> None:
    assert grammar(language) is not None


def test_a_missing_grammar_is_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GRAMMARS, "klingon", ("tree_sitter_klingon", "language"))
    assert grammar("klingon") is None
    assert parse(Document("file:///a", 1, "klingon", "Qapla'")) is None


def test_the_model_reads_lf_around_the_gap() -> None:
    document = Document("file:///a", 1, "python", "a\r\nb\rc|d\r\n")
    assert cut(document, 6, 7).sides() == ("a\nb\nc", "d\n")


LENGTHS = [0, 10, MOST_BEFORE - 1, MOST_BEFORE, MOST_BEFORE + 1, MOST_BEFORE + 3 * STRIDE + 5]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("line", ["x" * 79 + "\n", "x"], ids=["lines", "one line"])
def test_the_model_reads_a_window_that_moves_in_strides(length: int, line: str) -> None:
    prefix = (line * length)[:length]
    document = Document("file:///a", 1, "python", prefix + "s" * (MOST_AFTER + 9))
    before, after = cut(document, length).sides()
    assert prefix.endswith(before)
    assert after == "s" * MOST_AFTER
    assert len(before) <= MOST_BEFORE
    assert len(before) == length or len(before) > MOST_BEFORE - STRIDE - len(line)
    if "\n" in line and len(before) < length:
        assert prefix[: length - len(before)].endswith("\n")


def test_a_selection_given_backwards_is_a_selection() -> None:
    document = Document("file:///a", 1, "python", "abcd")
    backwards = t.Range(t.Position(0, 3), t.Position(0, 1))
    assert cut(document, *document.offsets(backwards)).replaced == "bc"
