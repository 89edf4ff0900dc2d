"""Notebooks: every cell is a document of its own, and the model reads the others around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types as t

from lsp_server import sync
from lsp_server.document import Document
from lsp_server.gap import with_lf
from lsp_server.languages.comments import line_comment

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
        self._cells: dict[str, list[sync.Cell]] = {}

    def apply(self, notebook: sync.Notebook) -> None:
        """Take in what has happened to a notebook.

        Where the order of its cells is not known, each is a document without others around it.
        """
        uri, splice = notebook.uri, notebook.splice
        if uri is not None:
            if notebook.lost:
                self._cells.pop(uri, None)
            elif notebook.opened:
                self._cells[uri] = list(splice.cells) if splice else []
            elif (cells := self._cells.get(uri)) is not None:
                if splice is not None:
                    cells[splice.start : splice.start + splice.removed] = splice.cells
                now = {cell.uri: cell for cell in notebook.updated}
                cells[:] = [now.get(cell.uri, cell) for cell in cells]
        for event in notebook.events:
            self._session.apply(event)

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
            order = [cell.uri for cell in cells]
            if document.uri in order:
                at = order.index(document.uri)
                before = "".join(f"{self._text(cell, document)}\n\n" for cell in cells[:at])
                after = "".join(f"\n\n{self._text(cell, document)}" for cell in cells[at + 1 :])
                return before[-MOST_BEFORE:], after[:MOST_AFTER]
        return "", ""

    def siblings(self, uri: str) -> set[str]:
        """The cells of the notebook that `uri` is a cell of, itself too."""
        for cells in self._cells.values():
            order = {cell.uri for cell in cells}
            if uri in order:
                return order
        return set()

    def around(self, uri: str) -> set[str]:
        """The notebook that `uri` is a cell of, and all its cells: what the model reads is of."""
        for notebook, cells in self._cells.items():
            order = {cell.uri for cell in cells}
            if uri in order:
                return {notebook, *order}
        return set()

    def _text(self, cell: sync.Cell, asking: Document) -> str:
        other = self._session.documents.get(cell.uri)
        if other is None:
            return ""
        text = with_lf(other.text).strip("\n")
        if cell.is_code and other.language == asking.language:
            return text
        comment = line_comment(asking.language)
        return "\n".join(f"{comment} {line}".rstrip() for line in text.split("\n"))
