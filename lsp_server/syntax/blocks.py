"""Whether a block has been opened before an offset and has no body yet."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from lsp_server import languages
from lsp_server.document import Document
from lsp_server.languages.language import Headers
from lsp_server.syntax.path import last_child
from lsp_server.syntax.tree import SyntaxTree

if TYPE_CHECKING:
    from tree_sitter import Node

_OPENING_TEXT = re.compile(r"([{(\[:]|=>|\b(then|do|else|repeat|begin))$")
# Characters: what opens a block stands no farther above, and is no longer.
LONGEST_BLANK = 2_000
LONGEST_WORD = 20
_OPENING_TOKENS = {"{", "(", "[", "=>", "then", "do", "else", "repeat", "begin"}
_COMPOUND = ("_statement", "_definition", "_clause", "_declaration", "_case", "_default")
_COLONS = {"default_case", "switch_block_statement_group", "field_declaration_list"}
_TAGS = {"start_tag", "jsx_opening_element"}
# Braces and brackets of values: what goes into them on the same line is a part of it.
_VALUES = re.compile(
    r"object|dict|set\b|array|list|tuple|hash|table|literal|initializer|pattern|import|export"
    r"|interpolation|substitution|expression|argument|parameter|pair|ERROR"
)
_HEADER = re.compile(
    r"\s*([)\]}]|(async|case|class|def|elif|else|except|finally|for|if|match|try|while|with)\b)"
)
_CODE = re.compile(r"\S")
_BLOCKS = re.compile(r"block|body|declaration_list|enumerator_list|compound_statement|rule")


def opens_empty_block(document: Document, line: int, tree: SyntaxTree | None) -> bool:
    """Whether blank line `line` is where the body of a block belongs that has none.

    The last code before it opens a block (a docstring alone counts as no body), and the next code
    after it is indented no deeper than the line that opens. Where the tree knows nothing but that
    something is wrong, the text decides.
    """
    opening = _opening_line(document, line, tree)
    if opening is None:
        return False
    return _is_empty_below(document, line, opening)


def opens_block_here(document: Document, offset: int, tree: SyntaxTree | None) -> bool:
    """Whether the code on the line before `offset` has just opened a block that has no body."""
    leaf = tree.leaf_before(offset) if tree is not None else None
    line = document.line_at(offset)
    if tree is None or leaf is None or tree.start(leaf) < document.line_starts[line]:
        return False
    if leaf.type in ("(", "[", "=>", ">"):
        return False
    parent = tree.parent(leaf)
    kind = parent.type if parent is not None else ""
    if leaf.type == "{" and _VALUES.search(kind) and not _BLOCKS.search(kind):
        return False
    has_headers = languages.of(document.language).headers is not None
    is_ruby_name = has_headers and leaf.type not in ("do", "then", "else", "|")
    return (
        not is_ruby_name
        and _opens(tree, leaf, document, line)
        and _is_empty_below(document, line, line)
    )


def _is_empty_below(document: Document, line: int, opening: int) -> bool:
    following = _next_code(document, line)
    return (
        following is None
        or following.lstrip().startswith(";;")
        or indent_width(following) <= indent_width(document.indent(opening))
    )


def indent_of(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def indent_width(line: str, tab: int = 8) -> int:
    return len(indent_of(line).expandtabs(tab))


def _opening_line(document: Document, line: int, tree: SyntaxTree | None) -> int | None:
    before = document.line_starts[line]
    leaf = tree.leaf_before(before) if tree is not None else None
    if tree is None or (leaf is not None and _is_lost(tree, leaf)):
        code = document.text[max(0, before - LONGEST_BLANK) : before].rstrip()
        at = document.line_at(max(0, before - LONGEST_BLANK) + len(code))
        return at if _OPENING_TEXT.search(code[-LONGEST_WORD:]) else None
    if leaf is None:
        return None
    docstring = _lone_docstring(tree, leaf)
    if docstring is not None:
        return document.line_at(tree.start(docstring))
    at = document.line_at(tree.start(leaf))
    return at if _opens(tree, leaf, document, at) else None


def _opens(tree: SyntaxTree, leaf: Node, document: Document, line: int) -> bool:
    parent = tree.parent(leaf)
    if parent is None or parent.type == "conditional_expression":
        return False
    language = languages.of(document.language)
    if leaf.type in _OPENING_TOKENS:
        return language.words_open_blocks or not leaf.type.isalpha()
    if leaf.type == ":":
        if parent.type.endswith(_COMPOUND) or parent.type in _COLONS:
            return True
        return _is_broken_header(tree, parent) and bool(_HEADER.match(document.line_text(line)))
    if leaf.type == ">":
        return parent.type in _TAGS
    if leaf.type == ")" and parent.type == "case_item":
        return True
    # Lua: nothing but the end of its parameters opens a function's body.
    if leaf.type == ")" and parent.type == "parameters" and _is_lua_function(tree.parent(parent)):
        return True
    return language.headers is not None and _ends_header(tree, leaf, language.headers)


def _ends_header(tree: SyntaxTree, leaf: Node, headers: Headers) -> bool:
    """Where no token opens a body, as in Ruby: the header ends with its line."""
    if not leaf.is_named and leaf.type not in (")", "]", "|"):
        return False
    for node in tree.upwards(leaf):
        if node.type in headers.bodies:
            return False
        if node.is_named and node.type in headers.headed:
            return True
    return False


def _is_lost(tree: SyntaxTree, leaf: Node) -> bool:
    """Whether the parser has found no place for `leaf`, and its text opens something."""
    parent = tree.parent(leaf)
    return leaf.is_error or (
        parent is not None and parent.type == "ERROR" and leaf.type != "string"
    )


def _is_broken_header(tree: SyntaxTree, parent: Node) -> bool:
    """An unfinished `def f():` may parse as an error, but then on the level of statements."""
    above = tree.parent(parent)
    return parent.type == "ERROR" and (above is None or above.type in ("module", "block"))


def _is_lua_function(node: Node | None) -> bool:
    return (
        node is not None
        and node.type in ("function_declaration", "function_definition")
        and (last := last_child(node)) is not None
        and last.type == "end"
    )


def _lone_docstring(tree: SyntaxTree, leaf: Node) -> Node | None:
    """The definition whose body is only the string that `leaf` ends."""
    around = list(islice(tree.upwards(leaf), 1, 5))
    kinds = [node.type for node in around]
    if kinds[:3] != ["string", "expression_statement", "block"] or len(around) < 4:
        return None
    _, _, body, definition = around
    is_lone = body.named_child_count == 1 and definition.type.endswith("_definition")
    return definition if is_lone else None


def _next_code(document: Document, line: int) -> str | None:
    _, end = document.line_bounds(line)
    found = _CODE.search(document.text, end)
    return document.line_text(document.line_at(found.start())) if found is not None else None
