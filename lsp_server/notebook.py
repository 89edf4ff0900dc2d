"""Notebooks: every cell is a document of its own, and their order is kept here."""

from __future__ import annotations

from collections.abc import Sequence

from lsp_server import sync
from lsp_server.documents import Documents


class Notebooks:
    """The order of the cells. Their text is kept with the other documents."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
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
            self._documents.apply(event)

    def cells_around(self, uri: str) -> tuple[Sequence[sync.Cell], Sequence[sync.Cell]]:
        """The cells before and after `uri` in its notebook."""
        _, cells = self._of(uri)
        at = next((n for n, cell in enumerate(cells) if cell.uri == uri), 0)
        return cells[:at], cells[at + 1 :]

    def siblings(self, uri: str) -> set[str]:
        """The cells of the notebook that `uri` is a cell of, itself too."""
        _, cells = self._of(uri)
        return {cell.uri for cell in cells}

    def around(self, uri: str) -> set[str]:
        """The notebook that `uri` is a cell of, and all its cells: what the model reads is of."""
        notebook, cells = self._of(uri)
        return {notebook, *(cell.uri for cell in cells)} if notebook is not None else set()

    def _of(self, uri: str) -> tuple[str | None, Sequence[sync.Cell]]:
        for notebook, cells in self._cells.items():
            if any(cell.uri == uri for cell in cells):
                return notebook, cells
        return None, ()
