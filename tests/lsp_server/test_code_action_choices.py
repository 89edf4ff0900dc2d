"""What a code action puts in of the model's candidates: what it refuses, and when it asks."""

# ruff: noqa: E501

from __future__ import annotations

import ast
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from lsprotocol import types as t
from pygls.exceptions import JsonRpcException

from lsp_server.document import Document
from lsp_server.features.code_action_choices import best_fit
from lsp_server.features.code_actions import PLANS
from lsp_server.holes.hole import Plan
from lsp_server.holes.spot import Spot
from lsp_server.holes.wanted import is_placeholder
from lsp_server.suggest.guard import Guard
from lsp_server.syntax.parsing import Parsing
from lsp_server.syntax.tree import parse
from tests.lsp_server.conftest import Editor, StartEditor, editors, until
from tests.lsp_server.test_drafts import DRAFTS, drafts
from tests.suggest.test_said_twice import AFTER, BEFORE


def plan_of(action: str, language: str, marked: str) -> Plan:
    document = Document("file:///a", 1, language, marked.replace("‸", ""))
    at = marked.index("‸")
    plan = PLANS[action](Spot(document, at, at, parse(document)))
    assert plan is not None
    return plan


def filled(plan: Plan, *fills: str) -> str:
    texts = plan.fitted((*fills, *[""] * (len(plan.holes) - len(fills))))
    return plan.filled(texts)


PLACEHOLDERS = [
    ("python", "raise NotImplementedError"),
    ("python", "raise NotImplementedError('later')"),
    ("python", "pass"),
    ("python", "# TODO: do it\n    pass"),
    ("python", '"""Does it."""\n    ...'),
    ("python", "..."),
    ("javascript", "throw new Error('not implemented');"),
    ("typescript", "// TODO\n  throw new Error(`TODO: implement`);"),
    ("go", 'panic("not implemented")'),
    ("rust", "todo!()"),
    ("rust", 'unimplemented!("later")'),
    ("java", "throw new UnsupportedOperationException();"),
    ("java", 'throw new IllegalStateException("Not yet implemented");'),
    ("c", "/* TODO */"),
    ("cpp", 'throw std::logic_error("not implemented");'),
    ("lua", 'error("not implemented")'),
    ("ruby", "raise NotImplementedError"),
    ("bash", ":"),
]
CODE = [
    ("python", "return None"),
    ("python", "raise ValueError('not implemented')"),
    ("python", "pass\n    return 1"),
    ("python", '"""Does it."""\n    return 1'),
    ("javascript", "throw new Error('no such item');"),
    ("go", "panic(err)"),
    ("rust", "todo(1)"),
    ("java", "throw new IllegalStateException(name);"),
    ("lua", "error(message)"),
    ("ruby", "raise ArgumentError"),
    ("bash", ":>log"),
]


@pytest.mark.parametrize(("language", "text"), PLACEHOLDERS)
def test_a_placeholder_is_no_code(language: str, text: str) -> None:
    assert is_placeholder(text, language)


@pytest.mark.parametrize(("language", "text"), CODE)
def test_code_is(language: str, text: str) -> None:
    assert not is_placeholder(text, language)


# action, language, text, and a fill that is no answer there.
NO_ANSWERS = [
    ("fill_body", "python", "def f(a):‸\n    pass\n", "raise NotImplementedError()"),
    ("fill_body", "rust", "fn f() -> u8 {‸\n}\n", "todo!()"),
    ("fill_body", "go", "package a\n\nfunc f() {‸\n}\n", 'panic("TODO")'),
    ("fill_body", "java", "class A {\n  int f() {‸\n  }\n}\n", "// TODO"),
    ("fill_body", "javascript", "function f() {‸\n}\n", "throw new Error('Not implemented')"),
    ("do_todo", "python", "def f(a):\n    # TODO: sum‸\n    return a\n", "pass"),
    ("do_todo", "go", "package a\n\nfunc f() {\n\t// TODO: sum‸\n}\n", "// TODO: sum"),
    ("do_todo", "python", "def f(a):\n    return a  # TODO: sum‸\n", "..."),
    ("fill_holes", "python", "def f(a):\n    x = ...‸\n    return x\n", "TODO"),
    ("write_docstring", "python", "class A:\n    '''Count the items.'''\n\nclass B:‸\n    x = 1\n",
     "Count the items."),
    ("write_docstring", "python", "def f():\n    # Count the items:\n    g()\n\ndef h():‸\n    g()\n",
     "count the items"),
    ("write_docstring", "javascript", "/** Count the items. */\nfunction f() {}\n\nfunction g() {‸}\n",
     "Count the items."),
    ("write_docstring", "rust", "/// Count the items.\nfn f() {}\n\nfn g() {‸}\n", "Count the items."),
    ("write_docstring", "go", "package a\n\n// f counts the items.\nfunc f() {}\n\nfunc g() {‸}\n",
     "counts the items."),
    ("write_docstring", "java", "class A {\n  /**\n   * Count the items.\n   */\n  void f() {}\n\n"
     "  void g() {‸}\n}\n", "Count the items."),
    ("write_docstring", "ruby", "# Count the items.\ndef f\nend\n\ndef g‸\nend\n", "Count the items."),
]  # fmt: skip


@pytest.mark.parametrize(("action", "language", "marked", "fill"), NO_ANSWERS)
def test_what_is_no_answer_changes_nothing(
    action: str, language: str, marked: str, fill: str
) -> None:
    plan = plan_of(action, language, marked)
    fills = (fill, *["And so on."] * (len(plan.holes) - 1))
    assert plan.fitted(fills) == ("",) * len(plan.holes)
    assert any(plan.fitted(("total(items)", *fills[1:])))


def test_what_is_missing_may_be_a_placeholder_where_none_stands() -> None:
    plan = plan_of("fill_gap", "python", "try:\n    f()\nexcept OSError:\n    ‸\n")
    assert filled(plan, "pass") == "try:\n    f()\nexcept OSError:\n    pass\n"


PLAIN_PYTHON = [
    ("Open C:\\Users\\me.", "Open C:\\Users\\me.", 'r"""'),
    ("Split at \\n and \\d.", "Split at \\n and \\d.", 'r"""'),
    ("Open C:\\\\Users.", "Open C:\\Users.", '"""'),  # escaped by the model
    ('Return the "name"', 'Return the "name"', '"""'),
    ('Return the "name\\"', 'Return the "name"', '"""'),
    ("End with C:\\", "End with C:\\", '"""'),
    ('Match \\d in "x"', 'Match \\d in "x"', '"""'),
    ("Plain.", "Plain.", '"""'),
]
HEADS = [
    "def f():‸\n    return 1\n",
    'def f():‸\n    """"""\n    return 1\n',
    "def f():‸\n    ''' '''\n    return 1\n",
    "def f(a, b):‸\n    return a\n",  # with sections
    "class A:‸\n    x = 1\n",
]


@pytest.mark.parametrize("marked", HEADS)
@pytest.mark.parametrize(("fill", "meant", "opening"), PLAIN_PYTHON)
def test_a_docstring_says_what_it_shows(fill: str, meant: str, opening: str, marked: str) -> None:
    plan = plan_of("write_docstring", "python", marked)
    made = filled(plan, fill, *["A \\w."] * (len(plan.holes) - 1))
    (defined,) = ast.parse(made).body
    told = ast.get_docstring(defined, clean=True)  # type: ignore[arg-type]
    assert told is not None
    assert told.partition("\n")[0] == meant.replace("\\\\", "\\")
    if len(plan.holes) == 1 and "'''" not in marked:
        assert f"    {opening}" in made
    if len(plan.holes) > 1:
        assert "A \\w." in told


def test_a_section_with_a_backslash_makes_the_whole_literal_raw() -> None:
    plan = plan_of("write_docstring", "python", "def f(a, b):‸\n    return a\n")
    made = filled(plan, "Join.", "Such as C:\\Users.", "Any.", "It.")
    assert '    r"""Join.\n' in made
    assert "a: Such as C:\\Users." in str(ast.get_docstring(ast.parse(made).body[0]))  # type: ignore[arg-type]


# language, text, fill, and the line that is made of it.
COMMENTS = [
    ("java", "class A {\n  void f() {‸}\n}\n", "Reads C:\\users.", "  /** Reads C:&#92;users. */"),
    ("java", "class A {\n  void f() {‸}\n}\n", "Of C:\\\\users.", "  /** Of C:\\\\users. */"),
    (
        "java",
        "class A {\n  void f() {‸}\n}\n",
        "Of src/**/*.java.",
        "  /** Of src/**&#47;*.java. */",
    ),
    ("javascript", "function f() {‸}\n", "Of src/**/*.js.", "/** Of src/**\\/*.js. */"),
    ("typescript", "function f() {‸}\n", "Of C:\\users. */ f()", "/** Of C:\\users. */"),
    ("c", "void f(void) {‸}\n", "Of src/*/x.", "/** Of src/*\\/x. */"),
    ("cpp", "void f() {‸}\n", "Done.*/", "/** Done. */"),
    ("rust", "fn f() {‸}\n", "Of src/**/*.rs and C:\\users.", "/// Of src/**/*.rs and C:\\users."),
    ("go", "package a\n\nfunc f() {‸}\n", "of C:\\users.", "// f of C:\\users."),
    ("lua", "function f()‸\nend\n", "Of C:\\users.", "--- Of C:\\users."),
    ("ruby", "def f‸\nend\n", "Of C:\\users.", "# Of C:\\users."),
    ("bash", "f() {‸\n  g\n}\n", "Of C:\\users.", "# Of C:\\users."),
]


@pytest.mark.parametrize(("language", "marked", "fill", "line"), COMMENTS)
def test_a_comment_holds_what_it_says(language: str, marked: str, fill: str, line: str) -> None:
    made = filled(plan_of("write_docstring", language, marked), fill)
    assert line in made.split("\n")
    tree = parse(Document("file:///a", 1, language, made))
    assert tree is not None
    assert tree.errors() == 0


# In a file with an error elsewhere: the candidates, and what is made of the function.
BROKEN = [
    ("python", "def g(:\n    return 1\n\n\n", "def total(self):‸\n    n = ...\n    return ...\n",
     [["self = .getcount()", "0"]], None),
    ("python", "def g(:\n    return 1\n\n\n", "def total(self):‸\n    n = ...\n    return ...\n",
     [["self = .getcount()", "0"], ["1", "1"]], "def total(self):\n    n = 1\n    return 1\n"),
    ("python", "x = (\n", "def f(a):‸\n    pass\n", [["return (a"]], None),
    ("python", "x = (\n", "def f(a):‸\n    pass\n", [["return a"]], "def f(a):\n    return a\n"),
    ("javascript", "let a = {;\n", "function f(a) {‸\n}\n", [["return a ="], ["return a;"]],
     "function f(a) {\n    return a;\n}\n"),
    ("go", "package a\n\nvar x =\n\n", "func f() int {‸\n}\n", [["return = 1"]], None),
    ("rust", "struct A {{\n\n", "fn f() -> u8 {‸\n}\n", [["let = 1;"]], None),
    ("java", "class B { int x = ; }\n", "class A {\n  int f() {‸\n  }\n}\n", [["return = 1;"]],
     None),
    ("lua", "x = = 1\n", "function f()‸\nend\n", [["return = 1"]], None),
    ("ruby", "x = )\n", "def f‸\nend\n", [["y = = 1"]], None),
]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def editor(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Editor]:
    rules: list[dict[str, Any]] = [
        {"path": f"/{number}.x", "texts": first, "others": [each[0] for each in others]}
        for number, (_, _, _, (first, *others), _) in enumerate(BROKEN)
    ]
    async with editors(tmp_path_factory.mktemp("choices")) as start:
        yield await start(*rules)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("number", range(len(BROKEN)))
async def test_what_is_touched_is_not_broken(editor: Editor, number: int) -> None:
    language, elsewhere, marked, _, after = BROKEN[number]
    text, at = elsewhere + marked.replace("‸", ""), len(elsewhere) + marked.index("‸")
    uri = editor.open(text, f"file:///{number}.x", language)
    action = (await editor.code_actions(uri, at, at))[0]
    edit = (await editor.resolve(action)).edit
    made = None if edit is None else editor.with_edits(uri, edit.document_changes[0].edits)
    assert made == (None if after is None else elsewhere + after)
    if made is None:
        await until(lambda: any("would break" in each for each in editor.messages()), "a word")


@pytest.mark.parametrize(("language", "marked", "fill", "left"), AFTER + BEFORE)
async def test_the_parser_has_the_last_word_as_with_ghost_text(
    language: str, marked: str, fill: str, left: str
) -> None:
    plan, parsing = plan_of("fill_gap", language, marked), Parsing()
    holes = [(hole.start, hole.end) for hole in plan.holes]
    tree = parse(plan.document)
    guard = await Guard.of(parsing, plan.document, tree, holes, plan.plain)
    texts = await best_fit(plan, (fill,), guard)
    parsing.close()
    assert plan.filled(texts) == marked.replace("‸", left)


UNSURE = {
    "text": "return item",
    "confidence": 0.12,
    "others": ["raise NotImplementedError", "return (a", "return sum(a)", "return a"],
    "doubts": [0.9, 0.9, 0.3, 0.01],
}
TODO = "def f(a):\n    # TODO: sum\n"


async def test_who_is_not_confident_asks(start: StartEditor) -> None:
    editor = await start(UNSURE)
    uri = editor.open(TODO)
    action = (await editor.code_actions(uri, 16, 16))[0]
    editor.picks = 1
    (change,) = (await editor.resolve(action)).edit.document_changes
    assert editor.with_edits(uri, change.edits) == "def f(a):\n    return sum(a)\n"
    (question,) = editor.asked
    titles = [each.title for each in question.actions or ()]
    assert titles == ["return item (12%)", "return sum(a) (30%)", "return a (1%)"]
    editor.picks = None
    assert (await editor.resolve(action)).edit is None
    assert len(editor.asked) == 2


async def test_a_threshold_of_0_asks_nobody(start: StartEditor) -> None:
    editor = await start(UNSURE, options={"minConfidence": 0})
    uri = editor.open(TODO)
    (change,) = (
        await editor.resolve((await editor.code_actions(uri, 16, 16))[0])
    ).edit.document_changes
    assert editor.with_edits(uri, change.edits) == "def f(a):\n    return item\n"
    assert editor.asked == []


async def test_a_client_that_cannot_ask_gets_the_reason(start: StartEditor) -> None:
    editor = await start(UNSURE)
    editor.picks = 99  # its handler fails
    uri = editor.open(TODO)
    action = (await editor.code_actions(uri, 16, 16))[0]
    with pytest.raises(JsonRpcException, match=r"confidence 0\.12") as caught:
        await editor.resolve(action)
    assert caught.value.code == t.LSPErrorCodes.RequestFailed


@pytest.mark.parametrize(("others", "word"), [(["return sum(a)"], True), ([], False)])
async def test_the_last_draft_is_what_goes_in(
    start: StartEditor, others: list[str], word: bool
) -> None:
    first = "return (a" if others else "return sum(a)\n\n"
    rule = {"text": first, "others": others, "steps": 2}
    editor = await start(rule, options=DRAFTS)
    uri = editor.open("def f(a):\n    pass\n")
    (change,) = (
        await editor.resolve((await editor.code_actions(uri, 6, 6))[0])
    ).edit.document_changes
    last = drafts(editor)[-1]
    assert last["done"]
    assert last["text"] == change.edits[0].new_text == "return sum(a)"
    assert any("than the last draft" in each for each in editor.messages()) == word
