"""What a file imports: the names, and the words of the modules that they come from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from lsp_server import languages

MOST_LINES = 400  # of a file's start: imports stand there
LONGEST_STATEMENT = 60  # lines
_NAME = re.compile(r"[^\W\d]\w*")
# Words of import statements that are no names, in one language or another.
_WORDS = frozenset(
    """import from as export const let var require use pub crate super self extern include using
    static type package local default typeof load require_relative autoload in""".split()  # noqa: SIM905
)
_STRING = re.compile(r"[\"'`<]([^\"'`<>\n]*)[\"'`>]")
_OPENERS, _CLOSERS = "([{", ")]}"


def imported(text: str, language: str) -> dict[str, frozenset[str]]:
    """The names that the import statements of a text mention, in their order, each with the words
    of its statement: those of the module among them. {} where imports are not known."""
    found: dict[str, frozenset[str]] = {}
    for statement in _statements(text, language):
        paths = " ".join(_STRING.findall(statement))
        names = [name for name in _NAME.findall(statement) if name not in _WORDS]
        words = frozenset(word for name in [*names, *_NAME.findall(paths)] for word in [name])
        for name in names:
            found[name] = found.get(name, frozenset()) | words
    return found


def _statements(text: str, language: str) -> Iterator[str]:
    begins = _import_line(language)
    if begins is None:
        return
    lines = text.split("\n", MOST_LINES)[:MOST_LINES]
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if not begins.match(line):
            continue
        open_brackets, end = _depth(line), at
        while open_brackets > 0 and end < min(len(lines), at + LONGEST_STATEMENT):
            open_brackets += _depth(lines[end])
            end += 1
        yield "\n".join(lines[at - 1 : end])
        at = end


def _depth(line: str) -> int:
    return sum(line.count(each) for each in _OPENERS) - sum(line.count(each) for each in _CLOSERS)


@cache
def _import_line(language: str) -> re.Pattern[str] | None:
    pattern = languages.of(language).import_line
    return re.compile(pattern) if pattern is not None else None
