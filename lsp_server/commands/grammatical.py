"""Whether a text is what a language's grammar allows: for evaluation, which has no grammars."""

from __future__ import annotations

from lsp_server.document import Document
from lsp_server.syntax.tree import parse

SECONDS = 5.0  # for one text


def parses(language: str, text: str) -> bool | None:
    """None without a grammar for `language`, and where parsing takes too long."""
    try:
        tree = parse(Document("evaluation:", 0, language, text), time_cap=SECONDS)
    except TimeoutError:
        return None
    return None if tree is None else not tree.tree.root_node.has_error
