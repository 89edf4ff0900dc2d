"""Notebooks: every cell is a document of its own, and the model reads the others around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types as t

from lsp_server.document import Document
from lsp_server.gap import with_lf
from lsp_server.syntax.place import line_comment

if TYPE_CHECKING:
    from lsp_server.session import Session

SYNC = t.NotebookDocumentSyncOptions(
    notebook_selector=[t.NotebookDocumentFilterWithNotebook(notebook="*")]
)

# Characters of other cells that the model is sent from either side.
MOST_BEFORE = 24_000
MOST_AFTER = 8_000


class Notebooks:
    """The order of the cells. Their text is kept with the session's other documents."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._cells: dict[str, list[t.NotebookCell]] = {}

    def opened(self, params: t.DidOpenNotebookDocumentParams) -> None:
        self._cells[params.notebook_document.uri] = list(params.notebook_document.cells)
        for item in params.cell_text_documents:
            self._session.open(item)

    def changed(self, params: t.DidChangeNotebookDocumentParams) -> None:
        cells = self._cells.get(params.notebook_document.uri)
        changes = params.change.cells
        if cells is None or changes is None:
            return
        if changes.structure is not None:
            array = changes.structure.array
            cells[array.start : array.start + array.delete_count] = array.cells or ()
            for closed in changes.structure.did_close or ():
                self._session.close_document(closed.uri)
            for item in changes.structure.did_open or ():
                self._session.open(item)
        for data in changes.data or ():
            cells[:] = [data if cell.document == data.document else cell for cell in cells]
        for content in changes.text_content or ():
            self._session.change(
                t.DidChangeTextDocumentParams(content.document, list(content.changes))
            )

    def closed(self, params: t.DidCloseNotebookDocumentParams) -> None:
        self._cells.pop(params.notebook_document.uri, None)
        for cell in params.cell_text_documents:
            self._session.close_document(cell.uri)

    def joined(self, document: Document, texts: tuple[str, ...]) -> tuple[str, ...]:
        """`texts`, around the holes of `document`, with the text of the cells before and after.

        What is not of the document's language, Markdown for one, stands there as comments.
        """
        before, after = self._around(document)
        return before + texts[0], *texts[1:-1], texts[-1] + after

    def outside(self, document: Document) -> int:
        """Changes with what the model reads around `document`; 0 where that is nothing."""
        around = self._around(document)
        return hash(around) if any(around) else 0

    def _around(self, document: Document) -> tuple[str, str]:
        for cells in self._cells.values():
            order = [cell.document for cell in cells]
            if document.uri in order:
                at = order.index(document.uri)
                before = "".join(f"{self._text(cell, document)}\n\n" for cell in cells[:at])
                after = "".join(f"\n\n{self._text(cell, document)}" for cell in cells[at + 1 :])
                return before[-MOST_BEFORE:], after[:MOST_AFTER]
        return "", ""

    def siblings(self, uri: str) -> set[str]:
        """The cells of the notebook that `uri` is a cell of, itself too."""
        for cells in self._cells.values():
            order = {cell.document for cell in cells}
            if uri in order:
                return order
        return set()

    def around(self, uri: str) -> set[str]:
        """The notebook that `uri` is a cell of, and all its cells: what the model reads is of."""
        for notebook, cells in self._cells.items():
            order = {cell.document for cell in cells}
            if uri in order:
                return {notebook, *order}
        return set()

    def _text(self, cell: t.NotebookCell, asking: Document) -> str:
        other = self._session.documents.get(cell.document)
        if other is None:
            return ""
        text = with_lf(other.text).strip("\n")
        if cell.kind is t.NotebookCellKind.Code and other.language == asking.language:
            return text
        comment = line_comment(asking.language)
        return "\n".join(f"{comment} {line}".rstrip() for line in text.split("\n"))
