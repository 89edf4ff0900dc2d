"""Fill the gap at the cursor: whatever is missing right here."""

from __future__ import annotations

from lsp_server.document import Document
from lsp_server.gap import Gap, cut
from lsp_server.syntax.tree import SyntaxTree

TITLE = "Fill the gap at the cursor"
KIND = "refactor.rewrite.infill.gap"


def applies(document: Document, start: int, end: int) -> bool:
    return start == end


def gap(document: Document, start: int, end: int, tree: SyntaxTree | None) -> Gap:
    return cut(document, start, tree=tree)
