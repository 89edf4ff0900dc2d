"""The parts of a prompt, each with a budget, the farthest and most stable first.

What is encoded of a prompt is kept up to the first token that differs from the last one's: so what
the user does not change comes first, and what changes with every line last.

    the start of a text, other files' snippets in the order of the request, the file up to the line

Snippets share one budget. Each is there whole or not at all, so that one that grows moves none of
those before it; of too many, those that come first are left out, which are the farthest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.api import Snippet

CHARACTERS_PER_TOKEN = 8  # more than any slice of code has on average: enough text to fill a budget


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a prompt: its text and its ids."""

    text: str
    ids: list[int]


def snippet_segments(
    snippets: Sequence[Snippet],
    budget: int,
    encode: Callable[[str], list[int]],
    form: Callable[[Snippet], str],
) -> list[Segment]:
    """The snippets that `budget` tokens have room for, as `form` writes them, in their order."""
    chosen: list[Segment] = []
    left = budget
    for snippet in reversed(snippets):
        text = form(snippet)
        if not text.strip() or len(text) > left * CHARACTERS_PER_TOKEN:
            continue
        ids = encode(text)
        if len(ids) <= left:
            chosen.append(Segment(text, ids))
            left -= len(ids)
    return chosen[::-1]


def plain(snippet: Snippet) -> str:
    """A snippet for a model that reads on: text of a file, and nothing about it."""
    text = snippet.text.strip("\n")
    return f"{text}\n\n" if text.strip() else ""
