"""A fill does not leave the block that it stands in: indentation says where that ends."""

from __future__ import annotations

import re

from engine.fill.structure import width
from lsp_server import languages
from lsp_server.suggest.clean.around import Around

_CLOSES = re.compile(r"[}\])]|</|(end|fi|done|esac)\b")
_GOES_ON = re.compile(
    r"[}\])]+\s*\w.*[{(:\[]$|(else|elif|elsif|except|finally|catch|rescue|ensure|when|then|case|default)\b"
)


def limit_scope(text: str, around: Around) -> str:
    """Lines that are indented less than the block of the first one are cut, with what follows.

    A line that goes on with the statement (`} else {`) stays, and so does the closer of a block
    that the fill itself has opened in the middle of a line, if none stands below. Lines that were
    selected to be replaced are bounds enough.
    """
    if "\n" not in text or "\n" in around.replaced:
        return text
    before = around.line_before
    lines = (before + text).split("\n")
    begun = next((n for n, line in enumerate(lines) if line.strip()), None)
    if begun is None:
        return text
    goes_on = bool(before.strip())
    first, above = width(lines[begun]), width(around.line_above)
    limit = _limit(goes_on, first, above, bool(around.line_above.strip()))
    for number in range(begun + 1, len(lines)):
        line = lines[number]
        if not line.strip() or width(line) >= limit or _is_flush_left(line, around.language):
            continue
        if width(line) == limit - 1 and _GOES_ON.match(line.lstrip()):
            continue
        last = number
        if goes_on and width(line) == limit - 1 and _CLOSES.match(line.lstrip()):
            last = number + (not _is_closed_below(around, limit))
        return "\n".join(lines[:last])[len(before) :].rstrip() if last < len(lines) else text
    return text


def _limit(goes_on: bool, first: int, above: int, has_above: bool) -> int:
    if goes_on:
        return first + 1
    if not has_above:
        return first
    return above + 1 if first > above else first


def _is_closed_below(around: Around, limit: int) -> bool:
    """Whether the block's end is there: then the next line stands on its level, and closes."""
    if around.line_after.strip():
        return False  # what of it the fill repeats is not this filter's business
    below = around.lines_below
    return bool(below) and width(below[0]) == limit - 1 and bool(_CLOSES.match(below[0].lstrip()))


def _is_flush_left(line: str, language: str) -> bool:
    """Such as a line of C's preprocessor, which belongs to no block."""
    outside = languages.of(language).outside_of_blocks
    return outside is not None and re.match(outside, line) is not None
