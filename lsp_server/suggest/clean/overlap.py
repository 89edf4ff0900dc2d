"""The rest of the cursor's line: what of it the fill says again."""

from __future__ import annotations

import re

from engine.fill.brackets import balance, open_quote, unmatched_closer
from lsp_server.suggest.clean.around import Around

_MARKS = "\"'`,;:"
_WORD = re.compile(r"\w")


def drop_repeat_of_rest_of_line(text: str, around: Around) -> str:
    """What already stands after the cursor on its line is not said twice.

    Closers that may be overwritten stay: they are replaced, see `overwritten`.
    """
    rest = around.line_after.strip()
    if not rest:
        return text
    first, newline, more = text.partition("\n")
    if not newline and first.strip() == rest:
        return ""
    if _WORD.search(rest):
        body = text.rstrip()
        return body[: len(body) - _overlap(body, rest)] if _overlap(body, rest) else text
    if around.may_overwrite and overwritten(text, around):
        return text
    closer = unmatched_closer(text, around.language)
    if closer is not None and text[closer] == rest[0]:
        return text[:closer]
    return first.removesuffix(rest) + newline + more if rest[0] in _MARKS else text


def overwritten(text: str, around: Around) -> int:
    """How many characters of the rest of the line `text` says again, in their order.

    They are closers and quotes that `text` closes but has not opened, one by one, and then what
    may follow them: `f([‸])` and `1], key=2)` agree on both brackets.
    """
    rest = around.line_after
    count, end = 0, 0
    for index, closer in balance(text, around.language, open_string(around)).closers:
        if count >= len(rest) or rest[count] != closer:
            break
        count, end = count + 1, index + 1
    marks = len(rest) - len(rest[count:].lstrip(_MARKS)) - count
    said = text[end:].rstrip()
    while marks:
        if (said if count else said[-marks:]) == rest[count : count + marks]:
            break
        marks -= 1
    return count + marks


def open_string(around: Around) -> str:
    """The quote around the cursor, where the rest of the line begins with its end."""
    rest = around.line_after
    quote = open_quote(around.line_before) if rest[:1] in ("'", '"', "`") else ""
    return quote if quote and rest[0] == quote else ""


def _overlap(text: str, rest: str) -> int:
    """The longest end of `text` that begins `rest`, in whole words, with a word in it."""
    for length in range(min(len(text), len(rest)), 0, -1):
        said = rest[:length]
        if not text.endswith(said) or not _WORD.search(said):
            continue
        starts = length == len(text) or not (_is_word(text[-length - 1]) and _is_word(said[0]))
        ends = length == len(rest) or not (_is_word(said[-1]) and _is_word(rest[length]))
        if starts and ends:
            return length
    return 0


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
