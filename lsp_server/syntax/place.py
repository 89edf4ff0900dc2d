"""What the cursor stands in: code, a comment, a string, an import."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from lsp_server import languages
from lsp_server.document import Document
from lsp_server.languages.language import Lexis
from lsp_server.syntax.tree import SyntaxTree

if TYPE_CHECKING:
    from tree_sitter import Node


class Place(StrEnum):
    CODE = "code"
    COMMENT = "comment"
    STRING = "string"
    IMPORT = "import"


_IMPORTS = {
    "import_statement",
    "import_from_statement",
    "future_import_statement",
    "import_declaration",
    "use_declaration",
    "extern_crate_declaration",
    "preproc_include",
    "using_declaration",
}
_CODE_IN_STRINGS = {"interpolation", "template_substitution", "command_substitution", "expansion"}
_NO_STRINGS = {"concatenated_string", "string_list", "string_array"}
_LONG_LINE = 10_000


def place_at(document: Document, offset: int, tree: SyntaxTree | None) -> Place:
    """By the tree; where it has nothing but errors, or there is none, by the line's own text."""
    line_start = document.line_starts[document.line_at(offset)]
    before = document.text[max(line_start, offset - _LONG_LINE) : offset]
    place = _by_tree(tree, offset) if tree is not None else None
    if place in (Place.COMMENT, Place.IMPORT):
        return place
    language = languages.of(document.language)
    # An import that is still being written parses as an error, and a `require` as any other call.
    import_line = language.import_line
    by_text = _by_text(before, language.lexis)
    if import_line and by_text is not Place.COMMENT and re.match(import_line, before):
        return Place.IMPORT
    return place or by_text


def _by_tree(tree: SyntaxTree, offset: int) -> Place | None:
    """None where the tree does not know."""
    at = tree.byte(offset)
    touching = tree.smallest(max(0, at - 1), at)
    is_code, found = False, None
    for node in tree.notable(touching):
        inside = node.start_byte < at < node.end_byte
        if "comment" in node.type and (inside or _is_open_comment(tree, node, at)):
            return Place.COMMENT
        if node.type in _IMPORTS and (inside or not tree.source.endswith((b";", b"\n"), 0, at)):
            return Place.IMPORT
        is_code = is_code or node.type in _CODE_IN_STRINGS
        if "string" in node.type and node.type not in _NO_STRINGS and inside and not is_code:
            found = Place.STRING
    return found or (None if _is_error(tree, touching) and not is_code else Place.CODE)


def _is_open_comment(tree: SyntaxTree, node: Node, at: int) -> bool:
    """Whether what is typed at the comment's end still goes into it."""
    text = tree.source[node.start_byte : node.end_byte]
    if node.end_byte != at or text.endswith(b"\n"):
        return False
    return not text.startswith((b"/*", b"<!--", b"--[", b"=begin")) or not text.endswith(
        (b"*/", b"-->", b"]]", b"=end")
    )


def _is_error(tree: SyntaxTree, node: Node) -> bool:
    parent = tree.parent(node)
    return node.has_error or (parent is not None and parent.is_error)


def _by_text(before: str, lexis: Lexis | None) -> Place:
    if lexis is None:
        return Place.CODE
    comment, quotes, quote = lexis.comment, lexis.quotes, None
    skip = False
    for index, character in enumerate(before):
        if skip:
            skip = False
        elif character == "\\" and quote is not None:
            skip = True
        elif quote is not None:
            quote = None if character == quote else quote
        elif character in quotes:
            quote = character
        elif before.startswith(comment, index) and _may_begin(comment, before, index):
            return Place.COMMENT
    return Place.STRING if quote is not None else Place.CODE


def _may_begin(comment: str, before: str, index: int) -> bool:
    """A shell's `$#` and `a#b` are no comments."""
    return comment != "#" or index == 0 or before[index - 1].isspace()
