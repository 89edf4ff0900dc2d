"""Ghost text as it comes by itself: gates, type-through, rejects. Typing is in test_typing.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from lsprotocol import types as t

from tests.lsp_server.conftest import Editor, editors, shown

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALL = {"after": "x = ", "text": "compute(a, b)"}
BRACKETED = {"after": "y = compute(", "text": "a, b)"}
UNSURE = {"after": "unsure = ", "text": "perhaps", "confidence": 0.01}
BROKEN = {"after": "bad\n", "text": "if x = = 2"}
LONG = {"after": "long():\n    ", "text": "\n    ".join(f"a{n} = {n}" for n in range(40))}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def editor(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Editor]:
    async with editors(tmp_path_factory.mktemp("ghost")) as start:
        yield await start(CALL, BRACKETED, UNSURE, BROKEN, LONG, {"text": "fill"})


@pytest.fixture(autouse=True)
def counted(editor: Editor) -> None:
    editor.forget_events()


# text with the cursor at ‸, language, uri's end, and what automatic and invoked requests show.
AUTOMATIC = [
    ("x = ‸\n", "python", "1.py", True, True),
    ("# one\rx = ‸\r", "python", "cr.py", True, True),
    ("x = ‸ + 1\n", "python", "2.py", False, True),
    ("# x = ‸\n", "python", "3.py", False, True),
    ("a = 'x = ‸'\n", "python", "4.py", False, True),
    ("x = ‸\n", "markdown", "5.md", False, True),
    ("x = ‸\n", "python", ".env", False, False),
    ("unsure = ‸\n", "python", "6.py", False, True),
    ("bad\n‸\n", "python", "7.py", False, False),
]


@pytest.mark.parametrize(("marked", "language", "name", "automatic", "invoked"), AUTOMATIC)
async def test_gates(
    editor: Editor, marked: str, language: str, name: str, automatic: bool, invoked: bool
) -> None:
    uri = editor.open(marked.replace("‸", ""), f"file:///gates/{name}", language)
    assert (await shown(editor, uri, marked.index("‸")) is not None) is automatic
    assert (await editor.inline(uri, marked.index("‸")) is not None) is invoked


async def test_what_comes_by_itself_is_short(editor: Editor) -> None:
    uri = editor.open("def long():\n    \n", "file:///short.py")
    after = await shown(editor, uri, 16)
    assert after is not None
    assert after.count("\n") == 2 + 11
    closed = t.DidCloseTextDocumentParams(t.TextDocumentIdentifier(uri))
    editor.client.text_document_did_close(closed)
    uri = editor.open("def long():\n    \n", "file:///short.py")
    asked = await editor.inline(uri, 16)
    assert asked.items[0].insert_text.count("\n") == 39


async def test_typing_into_it_asks_nothing_and_keeps_it(editor: Editor) -> None:
    uri, text = editor.open("x = \n", "file:///through.py"), "compute(a, b)"
    assert await shown(editor, uri, 4) == f"x = {text}\n"
    for typed in range(1, 9):
        editor.type(uri, 3 + typed, text[typed - 1])
        assert await shown(editor, uri, 4 + typed) == f"x = {text}\n"
    for typed in range(7, 3, -1):  # deleting back, though a deletion is silent otherwise
        editor.type(uri, 4 + typed, "", 1)
        assert await shown(editor, uri, 4 + typed) == f"x = {text}\n"
    assert len(editor.events("begin")) == 1


async def test_brackets_that_the_editor_closes_are_covered(editor: Editor) -> None:
    uri = editor.open("x = \n", "file:///closed.py")
    await shown(editor, uri, 4)
    editor.type(uri, 4, "compute")  # a word accepted
    assert await shown(editor, uri, 11) == "x = compute(a, b)\n"
    editor.type(uri, 11, "()")
    assert await shown(editor, uri, 12) == "x = compute(a, b)\n"
    editor.type(uri, 12, "a, ")
    answer = await editor.inline(uri, 15, automatic=True)
    (item,) = answer.items
    assert (item.insert_text, editor.with_edit(uri, item)) == ("b)", "x = compute(a, b)\n")
    assert item.range == editor.documents[uri].range(15, 16)
    assert len(editor.events("begin")) == 1


async def test_a_fill_covers_the_closer_that_it_says_again(editor: Editor) -> None:
    uri = editor.open("y = compute()\n", "file:///covers.py")
    answer = await editor.inline(uri, 12, automatic=True)
    (item,) = answer.items
    assert (item.insert_text, editor.with_edit(uri, item)) == ("a, b)", "y = compute(a, b)\n")
    assert item.range == editor.documents[uri].range(12, 13)


async def test_nothing_after_deletion_undo_and_redo(editor: Editor) -> None:
    uri = editor.open("x = foo\n", "file:///undo.py")
    editor.type(uri, 4, "", 3)
    assert await shown(editor, uri, 4) is None  # deleted
    editor.type(uri, 4, "foo")
    assert await shown(editor, uri, 7) is None  # undone
    editor.type(uri, 4, "", 3)
    assert await shown(editor, uri, 4) is None  # redone
    assert editor.events("begin") == []
    editor.type(uri, 0, "\n")
    assert await shown(editor, uri, 5) == "\nx = compute(a, b)\n"


async def test_what_was_rejected_is_not_offered_there_again(editor: Editor) -> None:
    uri = editor.open("x = \n", "file:///rejected.py")
    assert await shown(editor, uri, 4) is not None
    await asyncio.sleep(0.6)
    editor.type(uri, 4, "q")
    editor.type(uri, 4, "", 1)
    editor.type(uri, 5, "\n")  # no deletion any more, and the same place
    editor.type(uri, 5, "", 1)
    editor.type(uri, 5, "z")
    assert await shown(editor, uri, 4) is None
    assert await editor.inline(uri, 4) is not None, "but it is when asked for"


async def test_after_an_accept_there_is_no_wait(editor: Editor) -> None:
    uri = editor.open("x = \n", "file:///accept.py")
    await shown(editor, uri, 4)
    editor.type(uri, 4, "compute(a, b)")
    assert await shown(editor, uri, 17) == "x = compute(a, b)fill\n"


NAMELESS = ["untitled:Untitled-1", "untitled:", "x", "vscode-vfs://github/a/b.py", "file:///"]


@pytest.mark.parametrize("uri", NAMELESS)
async def test_documents_that_are_no_files(editor: Editor, uri: str) -> None:
    editor.open("x = \n", uri)
    assert await shown(editor, uri, 4) == "x = compute(a, b)\n"
    assert await editor.code_actions(uri, 4, 4) is not None
