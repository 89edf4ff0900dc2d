"""How much of a file a server is shown."""

from __future__ import annotations

import re
from dataclasses import replace

from engine.api import FillRequest, Snippet

BEFORE, AFTER, CONTEXT = 12_000, 4_000, 8_000  # characters
CHARACTERS_PER_TOKEN = 3  # of source code, at least
TOKENS_OF_A_PROMPT = 256  # what is written around the texts
SMALLEST_REACH = 1 / 64


def reach_for(context_tokens: int | None, max_tokens: int) -> float:
    """The share of the characters above that a context of so many tokens has room for."""
    if context_tokens is None:
        return 1.0
    room = max(0, context_tokens - max_tokens - TOKENS_OF_A_PROMPT) * CHARACTERS_PER_TOKEN
    return min(1.0, max(SMALLEST_REACH, room / (BEFORE + AFTER + CONTEXT)))


def within_reach(request: FillRequest, reach: float) -> FillRequest:
    """A request with one hole, cut to whole lines and whole snippets where it is too long."""
    prefix, suffix = request.texts
    return replace(
        request,
        texts=(_end_of(prefix, int(BEFORE * reach)), _start_of(suffix, int(AFTER * reach))),
        context=tuple(_first(request.context, int(CONTEXT * reach))),
    )


def name_of(path: str | None) -> str:
    """A file's name without the folder."""
    return re.split(r"[/\\]", path or "")[-1]


def _end_of(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    kept = text[len(text) - most :]
    line = kept.find("\n") + 1
    return kept[line:]  # the whole of a line that is longer than all there is room for


def _start_of(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    kept = text[:most]
    line = kept.rfind("\n")
    return kept[: line + 1] if line >= 0 else kept


def _first(snippets: tuple[Snippet, ...], most: int) -> list[Snippet]:
    kept, left = [], most
    for snippet in snippets:
        if len(snippet.text) <= left:
            kept.append(snippet)
            left -= len(snippet.text)
    return kept
