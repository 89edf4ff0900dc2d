"""Brackets and quotes: which of them a text opens and leaves open, and closes unopened."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

PAIRS = {")": "(", "]": "[", "}": "{"}
CLOSING = {opener: closer for closer, opener in PAIRS.items()}
_HASH = frozenset(("python", "ruby", "shellscript", "bash", "sh", "yaml", "toml", "makefile"))
_DASHES = frozenset(("lua", "sql", "haskell"))


@dataclass(frozen=True, slots=True)
class Balance:
    """`opened` are the openers left open, `closers` (index, character) those of nothing opened."""

    opened: tuple[str, ...]
    closers: tuple[tuple[int, str], ...]


def balance(text: str, language: str = "", quote: str = "") -> Balance:
    """Brackets in strings and comments do not count. `quote` is the one that `text` begins in,
    and what closes it is among the closers."""
    opened: list[str] = []
    closers: list[tuple[int, str]] = []
    start = 0
    if quote:
        end = _closing_quote(text, quote)
        if end < 0:
            return Balance((), ())
        closers.append((end, quote))
        start = end + 1
    for match in _tokens(language).finditer(text, start):
        token = match.group()
        if token in PAIRS.values():
            opened.append(token)
        elif token in PAIRS:
            if opened and opened[-1] == PAIRS[token]:
                opened.pop()
            else:
                closers.append((match.start(), token))
    return Balance(tuple(opened), tuple(closers))


def unmatched_closer(text: str, language: str = "") -> int | None:
    """Where `text` closes a bracket that it has not opened."""
    closers = balance(text, language).closers
    return closers[0][0] if closers else None


def open_quote(line_before: str) -> str:
    """The quote that is open at the end of `line_before`, if one is."""
    quote, skip = "", False
    for character in line_before:
        if skip:
            skip = False
        elif character == "\\":
            skip = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "\"'`":
            quote = character
    return quote


def _closing_quote(text: str, quote: str) -> int:
    found = re.match(rf"(?:\\.|[^\\\n{quote}])*{quote}", text)
    return found.end() - 1 if found is not None else -1


@cache
def _tokens(language: str) -> re.Pattern[str]:
    """Strings and comments, which are skipped, and brackets. A quote that does not end on its line
    is an apostrophe."""
    comment = r"(?<!\S)#[^\n]*" if language in _HASH else r"//[^\n]*|/\*.*?\*/"
    comment = r"--[^\n]*" if language in _DASHES else comment
    comment = comment if language else r"(?!)"
    quotes = '"`' if language == "rust" else "\"'`"
    long = r'"""[\s\S]*?"""|' + r"'''[\s\S]*?'''|" if language == "python" else ""
    return re.compile(rf"{comment}|{long}([{quotes}])(?:\\.|(?!\1)[^\\\n])*\1|[()\[\]{{}}]", re.S)
