"""Whether a block has been opened before an offset and has no body yet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lsp_server.document import Document
from lsp_server.syntax.tree import SyntaxTree

if TYPE_CHECKING:
    from tree_sitter import Node

_OPENING_TEXT = re.compile(r"([{(\[:]|=>|\b(then|do|else|repeat|begin))$")
_OPENING_TOKENS = {"{", "(", "[", "=>", "then", "do", "else", "repeat", "begin"}
_COMPOUND = ("_statement", "_definition", "_clause", "_declaration")


def opens_empty_block(document: Document, line: int, tree: SyntaxTree | None) -> bool:
    """Whether blank line `line` is where the body of a block belongs that has none.

    The last code before it opens a block (a docstring alone counts as no body), and the next code
    after it is indented no deeper than the line that opens.
    """
    opening = _opening_line(document, line, tree)
    if opening is None:
        return False
    following = _next_code(document, line)
    return following is None or indent_width(following) <= indent_width(document.line_text(opening))


def indent_of(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def indent_width(line: str, tab: int = 8) -> int:
    return len(indent_of(line).expandtabs(tab))


def _opening_line(document: Document, line: int, tree: SyntaxTree | None) -> int | None:
    before = document.line_starts[line]
    if tree is None:
        code = document.text[:before].rstrip()
        at = document.line_at(len(code))
        return at if _OPENING_TEXT.search(document.line_text(at).rstrip()) else None
    leaf = tree.leaf_before(before)
    if leaf is None:
        return None
    docstring = _lone_docstring(leaf)
    if docstring is not None:
        return document.line_at(tree.start(docstring))
    return document.line_at(tree.start(leaf)) if _opens(leaf) else None


def _opens(leaf: Node) -> bool:
    if leaf.type in _OPENING_TOKENS:
        return True
    parent = leaf.parent
    if parent is None:
        return False
    if leaf.type == ":":
        return parent.type.endswith(_COMPOUND) or _is_broken_header(parent)
    # Lua: nothing but the end of its parameters opens a function's body.
    return leaf.type == ")" and parent.type == "parameters" and _is_lua_function(parent.parent)


def _is_broken_header(parent: Node) -> bool:
    """An unfinished `def f():` may parse as an error, but then on the level of statements."""
    above = parent.parent
    return parent.type == "ERROR" and (above is None or above.type in ("module", "block"))


def _is_lua_function(node: Node | None) -> bool:
    return (
        node is not None
        and node.type in ("function_declaration", "function_definition")
        and node.child_count > 0
        and node.children[-1].type == "end"
    )


def _lone_docstring(leaf: Node) -> Node | None:
    """The definition whose body is only the string that `leaf` ends."""
    string = leaf.parent
    statement = string.parent if string is not None else None
    body = statement.parent if statement is not None else None
    if (
        string is None
        or string.type != "string"
        or statement is None
        or statement.type != "expression_statement"
        or body is None
        or body.type != "block"
        or body.named_child_count != 1
    ):
        return None
    return body.parent if body.parent and body.parent.type.endswith("_definition") else None


def _next_code(document: Document, line: int) -> str | None:
    for number in range(line + 1, len(document.line_starts)):
        text = document.line_text(number)
        if text.strip():
            return text
    return None
