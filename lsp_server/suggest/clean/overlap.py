"""The rest of the gap's line: what of it the fill repeats."""

from __future__ import annotations

import re

from engine.fill.brackets import CLOSING, balance, open_quote, unmatched_closer
from engine.fill.structure import Surroundings
from lsp_server.suggest.clean.around import Around
from lsp_server.suggest.clean.tokens import common, tokens

_MARKS = "\"'`,;:"
_CLOSERS = re.compile(r"[)\]}\"'`,;:]*")
_ALONE = ("{", "then", "do", "begin")
_QUOTE = re.compile(r"[\"'`]")


def drop_repeat_of_rest_of_line(text: str, around: Around) -> str:
    """What already stands after the cursor on its line is not repeated.

    Closers that may be overwritten stay: they are replaced, see `overwritten`.
    """
    rest = _rest(around)
    if not rest.strip():
        return text
    found = _repeat(text, rest, around)
    if found is not None:
        at, repeated = found
        if not text[:at].strip():
            return ""
        covers = around.may_overwrite and overwritten(text, around) >= repeated
        return text if covers and _CLOSERS.fullmatch(rest[:repeated]) else text[:at]
    if not around.line_after.strip() or (around.may_overwrite and overwritten(text, around)):
        return text
    closer = unmatched_closer(text, around.language)
    if closer is not None and text[closer] == rest.strip()[0]:
        return text if _closes_what_is_open(text, closer, around) else text[:closer]
    first, newline, _ = text.partition("\n")
    found = _repeat(first, rest, around) if newline else None
    # What follows a whole line has no place before the rest of that line.
    return first[: found[0]] if found is not None and found[1] == len(rest.rstrip()) else text


def overwritten(text: str, around: Around) -> int:
    """How many characters of the rest of the line `text` repeats, in their order.

    They are closers and quotes that `text` closes but has not opened, one by one, and then what
    may follow them: `f([‸])` and `1], key=2)` agree on both brackets.
    """
    rest = around.line_after
    count, end = 0, 0
    for index, closer in balance(text, around.language, open_string(around)).closers:
        if count >= len(rest) or rest[count] != closer:
            break
        count, end = count + 1, index + 1
    if count and _texts(text[end:]) == _texts(rest[count:]):
        return len(rest.rstrip())
    marks = len(rest) - len(rest[count:].lstrip(_MARKS)) - count
    repeated = text[end:].rstrip()
    while marks:
        is_repeated = (repeated if count else repeated[-marks:]) == rest[count : count + marks]
        if is_repeated and (count or _leaves_whole(text, len(repeated) - marks, around)):
            break
        marks -= 1
    return count + marks


def open_string(around: Around) -> str:
    """The quote around the cursor, where the rest of the line begins with its end."""
    rest = around.line_after
    quote = open_quote(around.line_before) if rest[:1] in ("'", '"', "`") else ""
    return quote if quote and rest[0] == quote else ""


def _rest(around: Around) -> str:
    """The rest of the line, and an opener that has the next line for itself."""
    opener = next(iter(around.lines_below), "").strip()
    is_alone = opener in _ALONE
    return f"{around.line_after}\n{opener}" if is_alone else around.line_after


def _repeat(text: str, rest: str, around: Around) -> tuple[int, int] | None:
    """Where `text` begins to repeat the rest of the line, and how many characters of it.

    It ends with what the rest begins with, and may have left out something of the rest's inside:
    `<u8>();` before `> = Vec::new();`. An end of the rest alone may be chance: `a()` before
    `+ b()`. That counts where doubtful repetitions do.
    """
    fill, there = tokens(text), tokens(rest)
    for count in range(min(len(fill), len(there)), 0, -1):
        tail = fill[-count:]
        begun = common(tail, there)
        ended = common(tail[::-1], there[::-1])
        if begun + ended < count or (begun == 0 and not around.doubtful):
            continue
        at = tail[0].start
        if _leaves_whole(text, at, around) and not _closes_what_is_open(text, at, around):
            return at, there[begun - 1].end if begun == count else len(rest.rstrip())
    return None


def _leaves_whole(text: str, at: int, around: Around) -> bool:
    """Whether what goes, from `at` on, closes no bracket and no string of what is left."""
    kept, language = text[:at], around.language
    if len(balance(kept, language).opened) > len(balance(text, language).opened):
        return False
    before = around.line_before
    return not _QUOTE.search(text, at) or open_quote(before + kept) == open_quote(before)


def _closes_what_is_open(text: str, at: int, around: Around) -> bool:
    """Whether the line leaves a bracket open that only what goes, from `at` on, closes."""
    line = balance(around.line_before + around.line_after, around.language)
    if not any(CLOSING[opener] in text[at:] for opener in line.opened):
        return False
    surroundings = Surroundings((around.prefix, around.suffix), around.language)
    with_it, without = (surroundings.faults((each,)).unmatched for each in (text, text[:at]))
    return with_it < without


def _texts(text: str) -> list[str]:
    return [each.text for each in tokens(text)]
