"""What is no answer to a hole, however well it parses: another placeholder, another's docstring."""

from __future__ import annotations

import re
from enum import StrEnum

from lsp_server import languages
from lsp_server.document import Document
from lsp_server.holes.marks import in_body

FEWEST_WORDS = 2  # one word may well be all that two functions have to say
_SPACE = " \t\r\n\f;"
_DOCSTRING = re.compile(r"[rRuU]?(\"{3}|'{3})[\s\S]*?\1")
_WORD = re.compile(r"\w+")


class Wanted(StrEnum):
    """What a hole is there for: whatever fits; code where a placeholder stands or nothing does; or
    what a docstring says of this one function."""

    ANYTHING = "anything"
    CODE = "code"
    SUMMARY = "summary"


def is_placeholder(text: str, language: str) -> bool:
    """Whether `text` holds something, and all of it stands for code or speaks of it: `pass`, `raise
    NotImplementedError`, `todo!()`, a comment, a docstring alone."""
    rest = text.strip(_SPACE)
    is_one = bool(rest)
    while rest:
        found = in_body(language).match(rest)
        if found is None and languages.of(language).has_docstrings:
            found = _DOCSTRING.match(rest)
        if found is None:
            return False
        rest = rest[found.end() :].lstrip(_SPACE)
    return is_one


def is_copied(text: str, document: Document) -> bool:
    """Whether a line of `document` already says `text` of something else, in the same words.

    What stands around them in that line, such as quotes and comment marks, makes no difference, and
    nor does the name that Go's comments begin with.
    """
    words = _words(text.strip().partition("\n")[0])
    if len(words) < FEWEST_WORDS:
        return False
    return any(
        words == there or words == there[1:]
        for there in (_words(line) for line in document.text.splitlines() if _may_be(line, words))
    )


def _may_be(line: str, words: list[str]) -> bool:
    """A quick look: lines without the first and the last word are not taken apart."""
    lower = line.lower()
    return words[0] in lower and words[-1] in lower


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
