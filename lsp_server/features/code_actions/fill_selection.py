"""Fill the selection: what is selected goes, and what fits between its two sides comes."""

from __future__ import annotations

from lsp_server.document import Document
from lsp_server.gap import Gap, cut
from lsp_server.syntax.tree import SyntaxTree

TITLE = "Fill the selection"
KIND = "refactor.rewrite.infill.selection"


def applies(document: Document, start: int, end: int) -> bool:
    return start < end


def gap(document: Document, start: int, end: int, tree: SyntaxTree | None) -> Gap:
    return cut(document, start, end, tree)
