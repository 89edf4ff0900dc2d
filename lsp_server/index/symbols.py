"""Functions and types of a file, by tree-sitter: what they are called and where they stand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from lsp_server import languages
from lsp_server.syntax.grammars import grammar

if TYPE_CHECKING:
    from tree_sitter import Node, Parser, QueryCursor

LARGEST = 256 * 1024  # bytes of a file that is parsed
LONGEST_NAME = 80
# What a function or a type without a name of its own is given to, and the field of its name there.
_NAMING_PARENTS = {
    "variable_declarator": "name",
    "public_field_definition": "name",
    "field_definition": "property",
    "pair": "key",
}


@dataclass(frozen=True, slots=True)
class Symbol:
    """`line` and `end` are the first and the last line, counted from 0; `body` the first line of
    what it is made of, where that is known, else `line`."""

    name: str
    line: int
    body: int
    end: int


def symbols_of(language: str, content: bytes) -> list[Symbol]:
    """None of them without a grammar, nor of a file that is too large."""
    tools = _tools(language)
    if tools is None or len(content) > LARGEST:
        return []
    parser, cursor = tools
    root = parser.parse(content).root_node
    return list(_read(cursor.captures(root).get("symbol", [])))


def _read(nodes: list[Node]) -> Iterator[Symbol]:
    for node in nodes:
        for name in _names(node):
            text = (name.text or b"").decode("utf-8", "replace")
            if text and len(text) <= LONGEST_NAME and "\n" not in text:
                body = node.child_by_field_name("body")
                first = node.start_point.row
                yield Symbol(
                    text, first, body.start_point.row if body else first, node.end_point.row
                )


def _names(node: Node) -> Iterator[Node]:
    """The nodes of its names: a declaration of types in Go may have several, a function none."""
    named = node.child_by_field_name("name")
    if named is not None:
        yield named
        return
    inner = node.child_by_field_name("declarator")
    while inner is not None and (deeper := inner.child_by_field_name("declarator")) is not None:
        inner = deeper
    if inner is not None:
        yield inner
        return
    parent = node.parent
    if parent is not None and parent.type in _NAMING_PARENTS:
        given = parent.child_by_field_name(_NAMING_PARENTS[parent.type])
        if given is not None:
            yield given
        return
    for child in node.named_children:
        named = child.child_by_field_name("name")
        if named is not None and child.type.endswith("_spec"):
            yield named


@cache
def _tools(language: str) -> tuple[Parser, QueryCursor] | None:
    """A parser, and what finds the nodes that the language's record calls functions and types."""
    known = grammar(language)
    if known is None:
        return None
    from tree_sitter import Parser, Query, QueryCursor

    record = languages.of(language)
    kinds = [
        kind
        for kind in sorted(record.functions | record.types)
        if known.id_for_node_kind(kind, True) is not None
    ]
    if not kinds:
        return None
    query = Query(known, f"[{' '.join(f'({kind})' for kind in kinds)}] @symbol")
    return Parser(known), QueryCursor(query)


@dataclass(frozen=True, slots=True)
class Defined:
    """A symbol, and the file it stands in, relative to the folder of the index."""

    path: str
    symbol: Symbol


def find(connection: sqlite3.Connection, names: Iterable[str], most: int) -> list[Defined]:
    """Where symbols of these names stand, at most `most` of each. Raises sqlite3.Error."""
    found = []
    for name in names:
        rows = connection.execute(
            "select path, line, body, last from symbols join files on files.id = file"
            " where name = ? limit ?",
            (name, most),
        )
        found += [Defined(path, Symbol(name, *lines)) for path, *lines in rows]
    return found


def heads(connection: sqlite3.Connection, path: str, most: int) -> list[Symbol]:
    """The symbols of a file in their order, at most `most`. Raises sqlite3.Error."""
    rows = connection.execute(
        "select name, line, body, last from symbols join files on files.id = file"
        " where path = ? order by line limit ?",
        (path, most),
    )
    return [Symbol(name, *lines) for name, *lines in rows]
