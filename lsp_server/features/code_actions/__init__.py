"""One file per code action: its title and kind, where it applies, which gap it fills."""

from __future__ import annotations

from typing import Protocol

from lsp_server.document import Document
from lsp_server.features.code_actions import fill_at_cursor, fill_selection
from lsp_server.gap import Gap
from lsp_server.syntax.tree import SyntaxTree


class Action(Protocol):
    """What a module of this folder is."""

    @property
    def TITLE(self) -> str: ...  # noqa: N802

    @property
    def KIND(self) -> str: ...  # noqa: N802

    def applies(self, document: Document, start: int, end: int) -> bool:
        """Quick, without model or tree: asked on every move of the cursor."""
        ...

    def gap(self, document: Document, start: int, end: int, tree: SyntaxTree | None) -> Gap: ...


ACTIONS: dict[str, Action] = {
    "fill_at_cursor": fill_at_cursor,
    "fill_selection": fill_selection,
}
