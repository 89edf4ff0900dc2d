"""The other cells of a notebook: the model reads them around the cell that is asked about."""

from __future__ import annotations

from lsp_server import languages, sync
from lsp_server.document import Document
from lsp_server.documents import Documents
from lsp_server.gap import with_lf
from lsp_server.notebook import Notebooks

# Characters of other cells that the model is sent from either side.
MOST_BEFORE = 24_000
MOST_AFTER = 8_000


class Cells:
    def __init__(self, documents: Documents, notebooks: Notebooks) -> None:
        self._documents = documents
        self._notebooks = notebooks

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
        above, below = self._notebooks.cells_around(document.uri)
        before = "".join(f"{self._text(cell, document)}\n\n" for cell in above)
        after = "".join(f"\n\n{self._text(cell, document)}" for cell in below)
        return before[-MOST_BEFORE:], after[:MOST_AFTER]

    def _text(self, cell: sync.Cell, asking: Document) -> str:
        other = self._documents.get(cell.uri)
        if other is None:
            return ""
        text = with_lf(other.text).strip("\n")
        if cell.is_code and other.language == asking.language:
            return text
        comment = languages.of(asking.language).comment
        return "\n".join(f"{comment} {line}".rstrip() for line in text.split("\n"))
