"""Pieces of the other open documents: what is likest to the lines around the gap, or else what was
edited last."""

from __future__ import annotations

from collections.abc import Collection
from math import inf
from urllib.parse import unquote

from engine.api import Snippet
from lsp_server.context.asked import Asked, OpenText
from lsp_server.index.lookup import WORD
from lsp_server.index.reader import Reader

MOST_SNIPPETS = 4
MOST_CHARACTERS = 2000  # of one
WINDOW = 40  # lines that are compared
STEP = 20
ABOVE, BELOW = 20, 10  # lines around the gap, its own line aside, that they are compared with
LARGEST = 200_000  # characters of a document that is looked through
ALIKE = 0.1  # the least Jaccard similarity that says something


def open_documents(asked: Asked, _: Reader | None = None) -> tuple[Snippet, ...]:
    """Of documents in the same workspace folder, then of the same language, then edited last; the
    likest last, next to the document's own text.

    The line that is being typed is compared with nothing, so that a key changes nothing.
    """

    def rank(other: OpenText) -> tuple[bool, bool, float, str]:
        edited = other.edited_at if other.edited is not None else -inf
        return not other.is_near, other.language != asked.language, -edited, other.path

    here = _words(_around(asked))
    chosen = sorted((each for each in asked.open_texts if each.text.strip()), key=rank)
    found = [(_piece(other, here), other.path) for other in chosen[:MOST_SNIPPETS]]
    return tuple(Snippet(piece, path) for piece, path in reversed(found))


def folder_of(uri: str, folders: Collection[str]) -> str | None:
    """The innermost of the workspace's folders that holds `uri`."""
    path = unquote(uri)
    holding = [each for each in folders if path.startswith(unquote(each).rstrip("/") + "/")]
    return max(holding, key=len, default=None)


def _around(asked: Asked) -> str:
    above = asked.prefix[-8000:].split("\n")[:-1][-ABOVE:]
    below = asked.suffix[:4000].split("\n")[1:][:BELOW]
    return "\n".join([*above, *below])


def _words(text: str) -> set[str]:
    return set(WORD.findall(text))


def _piece(other: OpenText, here: set[str]) -> str:
    """Whole lines."""
    lines = other.text[:LARGEST].splitlines(keepends=True)
    start, best = 0, ALIKE
    for at in range(0, max(1, len(lines) - WINDOW + STEP), STEP):
        there = _words("".join(lines[at : at + WINDOW]))
        alike = len(here & there) / (len(here | there) or 1)
        if alike > best:
            start, best = at, alike
    if best == ALIKE and other.edited is not None:
        middle = other.text.count("\n", 0, other.edited)
        start = max(0, middle - WINDOW // 2)
    taken = ""
    for line in other.text.splitlines(keepends=True)[start:]:
        if taken and len(taken) + len(line) > MOST_CHARACTERS:
            break
        taken += line[: MOST_CHARACTERS + 1]
    return taken
