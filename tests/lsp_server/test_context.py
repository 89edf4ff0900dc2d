"""What the model reads beside the document: the other cells of a notebook, other open files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lsprotocol import types as t

from engine.api import Shape
from lsp_server.context.asked import Asked, OpenText
from lsp_server.context.open_documents import (
    MOST_CHARACTERS,
    MOST_SNIPPETS,
    folder_of,
    open_documents,
)
from lsp_server.document import Document
from tests.lsp_server.conftest import StartEditor, until

NOTEBOOK = "file:///n.ipynb"
CODE, MARKUP = t.NotebookCellKind.Code, t.NotebookCellKind.Markup


def cell(name: str) -> str:
    return f"vscode-notebook-cell:/n.ipynb#{name}"


def items(*cells: tuple[str, str, str]) -> list[t.TextDocumentItem]:
    return [t.TextDocumentItem(cell(name), language, 1, text) for name, language, text in cells]


async def test_the_cells_of_a_notebook_are_read_in_their_order(start: StartEditor) -> None:
    editor = await start(
        {"after": "a = 1\n\n# # Title\n#\n# more\n\nb = ", "before": "\n\nc = 3", "text": "first"},
        {"after": "z = 0\n\na = 2\n\nb = ", "before": "", "text": "second"},
    )
    cells = [("a", "python", "a = 1\n"), ("t", "markdown", "# Title\n\nmore")]
    cells += [("b", "python", "b = "), ("c", "python", "c = 3\n")]
    kinds = {"t": MARKUP}
    order = [t.NotebookCell(kinds.get(name, CODE), cell(name)) for name, _, _ in cells]
    notebook = t.NotebookDocument(NOTEBOOK, "jupyter-notebook", 1, order)
    client = editor.client
    client.notebook_document_did_open(t.DidOpenNotebookDocumentParams(notebook, items(*cells)))
    editor.documents[cell("b")] = Document(cell("b"), 1, "python", "b = ", editor.encoding)
    answer = await editor.inline(cell("b"), 4)
    assert answer.items[0].insert_text == "first"
    assert answer.items[0].range.start == t.Position(0, 4)

    structure = t.NotebookDocumentCellChangeStructure(
        t.NotebookCellArrayChange(3, 1),
        did_close=[t.TextDocumentIdentifier(cell("c"))],
    )
    added = t.NotebookDocumentCellChangeStructure(
        t.NotebookCellArrayChange(0, 0, [t.NotebookCell(CODE, cell("z"))]),
        did_open=items(("z", "python", "z = 0")),
    )
    title_gone = t.NotebookDocumentCellChangeStructure(
        t.NotebookCellArrayChange(2, 1), did_close=[t.TextDocumentIdentifier(cell("t"))]
    )
    whole = t.TextDocumentContentChangePartial(t.Range(t.Position(0, 4), t.Position(0, 5)), "2")
    text = t.NotebookDocumentCellContentChanges(
        t.VersionedTextDocumentIdentifier(2, cell("a")), [whole]
    )
    for version, change in enumerate(
        [
            t.NotebookDocumentCellChanges(structure=structure),
            t.NotebookDocumentCellChanges(structure=added),
            t.NotebookDocumentCellChanges(structure=title_gone),
            t.NotebookDocumentCellChanges(text_content=[text]),
        ],
        2,
    ):
        client.notebook_document_did_change(
            t.DidChangeNotebookDocumentParams(
                t.VersionedNotebookDocumentIdentifier(version, NOTEBOOK),
                t.NotebookDocumentChangeEvent(cells=change),
            )
        )
    # The cells around it have changed, but not the cell itself: what it showed no longer holds.
    identifier = t.TextDocumentIdentifier(cell("b"))
    answer = await editor.inline(cell("b"), 4)
    assert answer.items[0].insert_text == "second"

    client.notebook_document_did_close(
        t.DidCloseNotebookDocumentParams(t.NotebookDocumentIdentifier(NOTEBOOK), [identifier])
    )
    assert await editor.inline(cell("b"), 4) is None
    await until(lambda: editor.messages() == [], "no complaint")


def document(uri: str, text: str = "x = 1\n", language: str = "python") -> Document:
    return Document(uri, 1, language, text)


def asked(*opened: OpenText, prefix: str = "", suffix: str = "", **given: Any) -> Asked:
    return Asked(
        **{"language": "python", "path": "/one/a.py", "shape": Shape.LINE, **given},
        prefix=prefix,
        suffix=suffix,
        open_texts=opened,
    )


def test_other_open_documents_nearest_last() -> None:
    got = open_documents(
        asked(
            OpenText("/two/far.py", "python", "x = 1\n", is_near=False),
            OpenText("/one/other.js", "javascript", "x = 1\n"),
            OpenText("/one/near.py", "python", "y = 2\n"),
            OpenText("/one/empty.py", "python", " \n"),
        )
    )
    assert [each.path for each in got] == ["/two/far.py", "/one/other.js", "/one/near.py"]


def test_what_is_like_the_lines_around_the_gap_is_read_of_an_open_document() -> None:
    lines = "".join(f"plain = {number}\n" for number in range(500))
    alike = "reader.parse(header, body)\nwriter.close()\n"
    other = OpenText("/one/b.py", "python", lines + alike + lines)
    prefix = "reader.parse(header, body)\nwriter.flush()\n    typed"
    (got,) = open_documents(asked(other, prefix=prefix))
    assert alike in got.text
    assert len(got.text) <= MOST_CHARACTERS
    # The line that is being typed changes nothing.
    assert open_documents(asked(other, prefix=prefix + "plain")) == (got,)


def test_else_what_surrounds_the_last_edit_of_those_edited_last() -> None:
    lines = "".join(f"line = {number}\n" for number in range(1000))
    at = lines.index("line = 500\n")
    opened = [OpenText(f"/one/{number}.py", "python", lines) for number in range(9)]
    for when, number in enumerate([3, 7], 1):
        opened[number] = replace(opened[number], edited=at, edited_at=float(when))
    got = open_documents(asked(*opened))
    assert [each.path for each in got] == ["/one/1.py", "/one/0.py", "/one/3.py", "/one/7.py"]
    assert len(got) == MOST_SNIPPETS
    assert "line = 500\n" in got[3].text
    assert got[0].text.startswith("line = 0\n")
    for snippet in got:
        assert snippet.text.startswith("line = ")
        assert snippet.text.endswith("\n")


FOLDERS = ["file:///w/one", "file:///w/one/inner", "file:///w/t%20wo/"]
HOMES = [
    ("file:///w/one/a.py", "file:///w/one"),
    ("file:///w/one/inner/a.py", "file:///w/one/inner"),
    ("file:///w/t%20wo/a.py", "file:///w/t%20wo/"),
    ("file:///w/onemore/a.py", None),
    ("untitled:Untitled-1", None),
]


def test_the_folder_of_a_document_is_the_one_that_holds_it() -> None:
    for uri, folder in HOMES:
        assert folder_of(uri, FOLDERS) == folder


async def test_open_documents_are_read_and_secrets_are_not(start: StartEditor) -> None:
    editor = await start({"text": "1"}, options={"context": {"openDocuments": True}})
    for uri in ("file:///w/b.py", "file:///w/.env", "file:///w/secrets/c.py", "untitled:d"):
        editor.open(f"y = {uri!r}\n", uri)
    uri = editor.open("x = ", "file:///w/a.py")
    await editor.inline(uri, 4)
    (begun,) = editor.events("begin")
    assert sorted(begun["context"]) == ["/w/b.py", "untitled:d"]


async def test_a_source_that_is_off_is_not_read(start: StartEditor) -> None:
    editor = await start({"text": "1"})
    editor.open("y = 2\n", "file:///w/b.py")
    await editor.inline(editor.open("x = ", "file:///w/a.py"), 4)
    assert editor.events("begin")[0]["context"] == []
