"""What a fill becomes in the buffer: one table, through ghost text, completion and code actions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from lsprotocol import types as t

from lsp_server.gap import with_lf
from tests.lsp_server.conftest import Editor, editors

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENCODINGS = (t.PositionEncodingKind.Utf16, t.PositionEncodingKind.Utf8)


MEGABYTE = "é" * (1 << 20)


@dataclass(frozen=True)
class Case:
    """`before` has the cursor at ‸, or a selection between two of them; `after` None: no fill."""

    name: str
    before: str
    fill: str
    after: str | None
    shape: str = "line"
    language: str = "python"

    @property
    def text(self) -> str:
        return self.before.replace("‸", "")

    @property
    def start(self) -> int:
        return self.before.index("‸")

    @property
    def end(self) -> int:
        return self.before.rindex("‸") - self.before.count("‸") + 1

    @property
    def path(self) -> str:
        return f"/{self.name.replace(' ', '_')}.py"


AT_CURSOR = [
    Case("rest of line", "if x:\n    y = ‸\n", "a + b", "if x:\n    y = a + b\n"),
    Case("mid line", "print(‸)\n", "1, 2", "print(1, 2)\n"),
    Case("mid word", "resu‸\n", "lt = 1", "result = 1\n"),
    Case("empty file", "‸", "import os", "import os"),
    Case("body", "def f():\n    ‸\n", "a\n    b", "def f():\n    a\n    b\n", "block"),
    Case("nothing", "x = ‸\n", "", None),
    Case("blank", "x = ‸\n", "  \n ", None),
    Case("emoji before", "x = '🎉👩\u200d🔬' + ‸ # 🎉\n", "y ", "x = '🎉👩\u200d🔬' + y # 🎉\n"),
    Case("crlf", "def f():\r\n    ‸\r\n", "a\n    b", "def f():\r\n    a\r\n    b\r\n", "block"),
    Case("cr", "def f():\r    ‸\r", "a\n    b", "def f():\r    a\r    b\r", "block"),
    Case("form feed above", "a\f\nb\u2028c\nx = ‸\n", "1", "a\f\nb\u2028c\nx = 1\n"),
    Case("closer is there", "f(‸)\n", "a, b)", "f(a, b)\n"),
    Case("own closer stays", "f(‸)\n", "g(x)", "f(g(x))\n"),
    Case("says rest of line", "a = ‸b\n", "b", None),
    Case("says line below", "a = 1\n‸\nb = 2\n", "b = 2", None),
    Case("plain text", "Dear ‸,\n", "Sir", "Dear Sir,\n", language="plaintext"),
    Case("no grammar", "if ‸ {\n", "x", "if x {\n", language="cobol"),
    Case("megabyte line", f"x = '{MEGABYTE}‸'\n", "end", f"x = '{MEGABYTE}end'\n"),
    Case("brace", "f() {\n  ‸\n}\n", "a\n}", "f() {\n  a\n}\n", "block", "javascript"),
]

SELECTED = [
    Case("selected lines", "a\n‸b\nc‸\nd\n", "x\ny", "a\nx\ny\nd\n", "block"),
    Case("selected word", "a = ‸b‸ + c\n", "z", "a = z + c\n"),
    Case("selected the same", "a = ‸b‸ + c\n", "b", None),
    Case("selected emoji", "‸🎉🎉‸!\r\n", "hi", "hi!\r\n"),
]


def names(cases: list[Case]) -> dict[str, Any]:
    return {"argvalues": cases, "ids": [case.name for case in cases]}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=ENCODINGS, ids=str)
async def editor(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Editor]:
    folder: Path = tmp_path_factory.mktemp("suggestions")
    rules = [{"path": case.path, "text": case.fill} for case in AT_CURSOR + SELECTED]
    async with editors(folder) as start:
        yield await start(*rules, encodings=[request.param])


def opened(editor: Editor, case: Case) -> str:
    return editor.open(case.text, f"file://{case.path}", case.language)


def check_request(editor: Editor, case: Case) -> None:
    begun = editor.events("begin")[-1]
    assert begun["shape"] == case.shape
    before = with_lf(case.text[: case.start])
    assert begun["tail"] == before[-20:]


@pytest.mark.parametrize("case", **names(AT_CURSOR))
async def test_ghost_text(editor: Editor, case: Case) -> None:
    uri = opened(editor, case)
    answer = await editor.inline(uri, case.start)
    check_request(editor, case)
    if case.after is None:
        assert answer is None
        return
    (item,) = answer.items
    assert editor.with_edit(uri, item) == case.after
    assert item.range.start == editor.documents[uri].position(case.start)


@pytest.mark.parametrize("case", **names(AT_CURSOR))
async def test_completion(editor: Editor, case: Case) -> None:
    uri = opened(editor, case)
    answer = await editor.completion(uri, case.start)
    if case.after is None:
        assert answer is None
        return
    assert answer.is_incomplete
    (item,) = answer.items
    assert editor.with_edit(uri, item.text_edit) == case.after
    start, end = editor.documents[uri].offsets(item.text_edit.range)
    assert item.filter_text.startswith(case.text[start:end]), "the editor would filter it away"
    assert (item.sort_text, item.detail) == ("~", "infill")
    resolved = await editor.send(t.COMPLETION_ITEM_RESOLVE, item)
    assert item.text_edit.new_text in resolved.documentation.value
    assert resolved.text_edit == item.text_edit


@pytest.mark.parametrize("case", **names(AT_CURSOR + SELECTED))
async def test_code_action(editor: Editor, case: Case) -> None:
    uri = opened(editor, case)
    offered = await editor.code_actions(uri, case.start, case.end)
    kind = "gap" if case.start == case.end else "selection"
    (action,) = (each for each in offered if each.kind == f"refactor.rewrite.infill.{kind}")
    assert action.edit is None
    resolved = await editor.resolve(action)
    check_request(editor, case)
    if case.after is None:
        assert resolved.edit is None
        assert any("nothing to put here" in message for message in editor.messages())
        return
    (change,) = resolved.edit.document_changes
    assert (change.text_document.uri, change.text_document.version) == (uri, 1)
    assert editor.with_edit(uri, change.edits[0]) == case.after


POPUPS = [("print", True), ("prin", True), ("primt", False), ("print(42)!", False)]


@pytest.mark.parametrize(("selected", "shown"), POPUPS)
async def test_ghost_text_extends_the_popups_choice(
    editor: Editor, selected: str, shown: bool
) -> None:
    path = AT_CURSOR[2].path  # "mid word": the fill is "lt = 1"
    uri = editor.open("resu", f"file://{path}")
    choice = selected.replace("pri", "resu").replace("resunt", "result").replace("resun", "resul")
    info = t.SelectedCompletionInfo(editor.documents[uri].range(0, 4), choice)
    answer = await editor.inline(uri, 4, selected_completion_info=info)
    assert (answer is not None) == shown
    for item in answer.items if answer is not None else ():
        assert item.range == info.range, "as LSP has it: the range of what the popup has chosen"
        assert item.insert_text.startswith(choice)


# The text with the cursor, the range of the popup's choice, the choice, the fill; and what is there
# afterwards. The first one is LSP's own example.
OVER_THE_CHOICE = [
    ("console.‸\n", (7, 8), ".log", "log(a)", "console.log(a)\n"),
    ("x = console.lo‸\n", (12, 14), "log", "g(b)", "x = console.log(b)\n"),
    ("y = f(co‸)\n", (6, 8), "count", "unt(c))", "y = f(count(c))\n"),
    ("z = 🎉.‸\n", (5, 6), ".d", "d(e)", "z = 🎉.d(e)\n"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lister(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Editor]:
    marked = [(case[0], case[3]) for case in OVER_THE_CHOICE] + [(c[0], c[2]) for c in LABELS]
    fills = [{"after": text[: text.index("‸")], "text": fill} for text, fill in marked]
    async with editors(tmp_path_factory.mktemp("lister")) as start:
        yield await start(*fills)


@pytest.mark.parametrize(("marked", "chosen", "choice", "fill", "after"), OVER_THE_CHOICE)
async def test_the_answer_has_the_range_of_the_popups_choice(
    lister: Editor, marked: str, chosen: tuple[int, int], choice: str, fill: str, after: str
) -> None:
    editor, at = lister, marked.index("‸")
    uri = editor.open(marked.replace("‸", ""), f"file:///chosen/{chosen[0]}.js", "javascript")
    info = t.SelectedCompletionInfo(editor.documents[uri].range(*chosen), choice)
    answer = await editor.inline(uri, at, selected_completion_info=info)
    (item,) = answer.items
    assert item.range == info.range
    assert item.insert_text.startswith(choice)
    assert editor.with_edit(uri, item) == after


# The text with the cursor, its language, the fill; the label in a list, and what it is filtered by.
LABELS = [
    ("def f():‸\n", "python", "\n    return 1", "return 1 …", "return 1"),
    ("void f() {‸}\n", "c", "\n  a();\n", "a(); …", "a();"),
    ("x = {‸}\n", "javascript", "\n\n  a: 1,\n", "a: 1, …", "a: 1,"),
    ("fn f() {‸}\n", "rust", "\n    g()\n", "g() …", "g()"),
    ("x = ab‸\n", "python", "c(d)", "abc(d)", "abc(d)"),
]


@pytest.mark.parametrize(("marked", "language", "fill", "label", "filtered_by"), LABELS)
async def test_a_label_says_something(
    lister: Editor, marked: str, language: str, fill: str, label: str, filtered_by: str
) -> None:
    at = marked.index("‸")
    uri = lister.open(marked.replace("‸", ""), f"file:///label/{at}.{language}", language)
    answer = await lister.completion(uri, at)
    (item,) = answer.items
    assert (item.label, item.filter_text) == (label, filtered_by)
