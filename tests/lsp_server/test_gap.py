"""Where a gap is cut: shape, indentation, node, with and without a tree; what the model reads."""

from __future__ import annotations

import pytest
from lsprotocol import types as t

from engine.api import Shape
from lsp_server.document import Document
from lsp_server.gap import MOST_AFTER, MOST_BEFORE, STRIDE, Gap, cut
from lsp_server.syntax.languages import GRAMMARS, grammar
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
