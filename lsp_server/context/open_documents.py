"""What else the model may read: pieces of the other open documents, nearest in kind first."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from math import inf
from urllib.parse import unquote

from engine.api import Snippet
from lsp_server.document import Document
from lsp_server.gap import with_lf
from lsp_server.secrets import is_secret
from lsp_server.suggest.history import History

MOST_SNIPPETS = 4
MOST_CHARACTERS = 2000


def snippets(
    document: Document,
    others: Iterable[Document],
    history: History,
    folders: Collection[str] = (),
    without: Collection[str] = (),
) -> tuple[Snippet, ...]:
    """Of documents in the same workspace folder, then of the same language, then edited last.

    A piece is what surrounds the last edit, else how the document begins: while the user types
    elsewhere it stays the same, and so does what the engine has encoded of it.
    """
    home = folder_of(document.uri, folders)

    def rank(other: Document) -> tuple[bool, bool, float, str]:
        edit = history.last(other.uri)
        is_near = folder_of(other.uri, folders) == home
        edited = edit.at if edit is not None else -inf
        return not is_near, other.language != document.language, -edited, other.uri

    usable = [
        other
        for other in others
        if other.uri != document.uri
        and other.uri not in without
        and not is_secret(other.uri)
        and other.text.strip()
    ]
    chosen = sorted(usable, key=rank)[:MOST_SNIPPETS]
    return tuple(Snippet(_piece(other, history), other.path or other.uri) for other in chosen)


def folder_of(uri: str, folders: Collection[str]) -> str | None:
    """The innermost of the workspace's folders that holds `uri`."""
    path = unquote(uri)
    holding = [each for each in folders if path.startswith(unquote(each).rstrip("/") + "/")]
    return max(holding, key=len, default=None)


def _piece(document: Document, history: History) -> str:
    """Whole lines."""
    edit = history.last(document.uri)
    middle = min(edit.end, len(document.text)) if edit is not None else 0
    start = max(0, middle - MOST_CHARACTERS // 2)
    start = document.line_starts[document.line_at(start)] if start else 0
    end = min(len(document.text), start + MOST_CHARACTERS)
    if end < len(document.text):
        whole = document.line_starts[document.line_at(end)]
        end = whole if whole > start else end
    return with_lf(document.text[start:end])
