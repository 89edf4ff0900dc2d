"""What placeholders and comments look like: `...`, `???`, `TODO`, and each language's own."""

from __future__ import annotations

import re
from functools import cache

from lsp_server import languages

_ANYWHERE = r"(?<![.\w])\.\.\.(?![.\w])|(?<!\?)\?\?\?(?!\?)|(?<![\w.])TODO\b(?:\(\))?(?![\w.])"

# In a language of which nothing is known, comments are looked for as in C.
_BLOCK_COMMENT = (r"/\*", r"\*/")
TODO = re.compile(r"\b(?:TODO|FIXME)\b(?:\([^)\r\n]*\))?[ \t]*[:\-]?[ \t]*([^\r\n]*)")


@cache
def in_body(language: str) -> re.Pattern[str]:
    """Groups: `comment`, or `open` for one that nothing closes, and `placeholder`."""
    own = languages.of(language).placeholders
    return _pattern(language, own.own, own.nothing, r"\.\.\.", r"\?\?\?", r"TODO\b(?:\(\))?")


@cache
def in_code(language: str) -> re.Pattern[str]:
    """Groups as those of `in_body`."""
    return _pattern(language, languages.of(language).placeholders.own, _ANYWHERE)


def _pattern(language: str, *placeholders: str | None) -> re.Pattern[str]:
    known = languages.of(language)
    line = re.escape(known.comment) + r"[^\r\n]*"
    begin, end = known.block_comment or (("", "") if known.line_comment else _BLOCK_COMMENT)
    placeholder = "|".join(f"(?:{each})" for each in placeholders if each)
    # What is not closed is a comment to the end, and nothing is looked for in it again.
    block = rf"{begin}[\s\S]*?{end}|(?P<open>{begin}[\s\S]*)|" if begin else "(?P<open>(?!))|"
    # What none of them can begin with is passed over by the first look, in a quarter of the time.
    opening = begin.lstrip("\\")[:1]
    first = re.escape(f"{known.comment[0]}{opening}/.?T{known.placeholders.first}")
    return re.compile(f"(?=[{first}])(?:(?P<comment>{block}{line})|(?P<placeholder>{placeholder}))")
