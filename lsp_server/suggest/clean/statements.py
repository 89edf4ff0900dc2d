"""Where indentation is syntax: which lines begin a statement, and which open a block."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from engine.fill.structure import width
from lsp_server.languages.language import Levels


@dataclass(frozen=True, slots=True)
class Statement:
    """It begins with the white space `lead`, at `start`. What follows must stand deeper where it
    `opens` a block, and may where that is None. `inner` are columns that it opens besides."""

    start: int
    lead: str
    opens: bool | None
    is_comment: bool = False
    inner: tuple[int, ...] = ()

    @property
    def column(self) -> int:
        return width(self.lead + "x")


_COLON_TOKEN = re.compile(
    r"(?P<comment>#[^\n]*)"
    r'|(?P<string>"""(?:\\.|[\s\S])*?(?:"""|\Z)|\'\'\'(?:\\.|[\s\S])*?(?:\'\'\'|\Z)'
    r"|\"(?:\\.|[^\"\\\n])*\"?|'(?:\\.|[^'\\\n])*'?)"
    r"|(?P<joined>\\\n)|(?P<end>\n[ \t]*)|(?P<bracket>[()\[\]{}])|(?P<colon>:)"
    r"|(?P<other>[^\s#\"'\\()\[\]{}:]+|\\)",
    re.S,
)
_YAML_ENTRY = re.compile(r"([ \t]*)((?:- +)*)(#|-(?:\s|$)|[^\s#].*?:(?:\s|$)|[^\s#])")
_YAML_OPENS = re.compile(r"(?::|-|(?:^|\s)[|>][+-]?\d?)\s*(?:#.*)?$")
_YAML_SCALAR = re.compile(r"(?:^|\s)[|>][+-]?\d?\s*(?:#.*)?$")


def _by_colon(text: str) -> Iterator[Statement]:
    """As in Python: brackets, strings and a backslash go on in the next line."""
    depth, start, lead = 0, 0, text[: len(text) - len(text.lstrip(" \t"))]
    first, last = "", ""
    for match in _COLON_TOKEN.finditer(text):
        kind, token = match.lastgroup or "", match.group()
        if kind == "end":
            if depth:
                continue
            if first:
                yield Statement(start, lead, last == "colon", first == "comment")
            start, lead, first, last = match.start() + 1, token[1:], "", ""
            continue
        if kind == "joined":
            continue
        first = first or kind
        last = kind if kind != "comment" else last
        if kind == "bracket":
            depth = depth + 1 if token in "([{" else max(0, depth - 1)
    if first:
        yield Statement(start, lead, last == "colon", first == "comment")


def _of_yaml(text: str) -> Iterator[Statement]:
    """Keys and items; the lines of a block scalar, or of a text that goes on, are none."""
    at, scalar = 0, -1
    for line in text.split("\n"):
        found = _YAML_ENTRY.match(line)
        start, at = at, at + len(line) + 1
        if found is None or width(line) > scalar >= 0:
            continue
        lead, items, entry = found.groups()
        is_comment = entry == "#"
        if len(entry.rstrip()) == 1 and not items and entry.strip() not in "#-":
            continue
        scalar = width(line) if _YAML_SCALAR.search(line) else -1
        begun = [width(lead + "x") + each.end() for each in re.finditer("- +", items)]
        opens = None if _YAML_OPENS.search(line) else False
        yield Statement(start, lead, opens, is_comment, tuple(begun))


def _of_lines(text: str) -> Iterator[Statement]:
    at = 0
    for line in text.split("\n"):
        body = line.lstrip(" \t")
        if body.strip():
            yield Statement(at, line[: len(line) - len(body)], None)
        at += len(line) + 1


STATEMENTS: dict[Levels, Callable[[str], Iterator[Statement]]] = {
    Levels.COLON: _by_colon,
    Levels.KEYS: _of_yaml,
    Levels.LINES: _of_lines,
}
