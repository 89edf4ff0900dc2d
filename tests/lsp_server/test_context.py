"""What the model reads beside the document: the other cells of a notebook, other open files."""

from __future__ import annotations

from lsprotocol import types as t

from lsp_server.context.open_documents import MOST_CHARACTERS, MOST_SNIPPETS, folder_of, snippets
from lsp_server.document import Document
from lsp_server.suggest.history import History
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


def test_other_open_documents_nearest_first() -> None:
    here = document("file:///one/a.py")
    others = [
        document("file:///two/far.py"),
        document("file:///one/other.js", language="javascript"),
        document("file:///one/near.py", "y = 2\r\n"),
        document("file:///one/.env"),
        document("file:///one/empty.py", " \n"),
        here,
    ]
    got = snippets(here, others, History(), ["file:///one", "file:///two"])
    assert [snippet.path for snippet in got] == ["/one/near.py", "/one/other.js", "/two/far.py"]
    assert got[0].text == "y = 2\n"
    assert (
        snippets(here, others, History(), without={"file:///one/near.py"})[0].path != "/one/near.py"
    )


def test_the_last_edited_come_first_and_around_their_edit() -> None:
    here, history = document("file:///a.py"), History()
    lines = "".join(f"line = {number}\n" for number in range(1000))
    others = [document(f"file:///{number}.py", lines) for number in range(9)]
    for at, number in enumerate([3, 7]):
        edited = Document(f"file:///{number}.py", 2, "python", lines.replace("= 500", "= 5000"))
        history.changed(others[number], edited, float(at))
        others[number] = edited
    got = snippets(here, others, history)
    assert [snippet.path for snippet in got] == ["/7.py", "/3.py", "/0.py", "/1.py"]
    assert len(got) == MOST_SNIPPETS
    for snippet in got:
        assert len(snippet.text) <= MOST_CHARACTERS
        assert snippet.text.startswith("line = ")
        assert snippet.text.endswith("\n")
    assert "= 5000" in got[0].text
    assert "= 0\n" in got[2].text


def test_an_untitled_document_has_context_too() -> None:
    others = [document("file:///a.py"), document("untitled:Untitled-2")]
    got = snippets(document("untitled:Untitled-1"), others, History())
    assert {snippet.path for snippet in got} == {"/a.py", "untitled:Untitled-2"}


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
