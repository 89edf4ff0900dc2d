"""What an edit touches: the function around it, or else the statement, judged by itself.

A file that is being edited is often broken somewhere else, and then says nothing about the edit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lsp_server import languages
from lsp_server.document import Document
from lsp_server.syntax.blocks import indent_width
from lsp_server.syntax.tree import SyntaxTree

if TYPE_CHECKING:
    from tree_sitter import Node

_STATEMENT = re.compile(r"statement|declaration|definition|assignment|_item$")


def touched(document: Document, tree: SyntaxTree | None, start: int, end: int) -> tuple[int, int]:
    """The offsets of the whole lines that belong to what [start, end) of `document` lies in.

    Where the tree has no function there, because there is none or because an error has swallowed
    it, indentation decides.
    """
    node = _function(tree, start, end) if tree is not None else None
    if node is not None and tree is not None:
        start, end = tree.start(node), max(end, tree.offset(node.end_byte))
        lines = document.line_at(start), document.line_at(end)
    else:
        lines = _block(document, document.line_at(start), document.line_at(end))
    return document.line_starts[lines[0]], document.line_bounds(lines[1])[1]


def statement(tree: SyntaxTree, start: int, end: int) -> tuple[int, int] | None:
    """The offsets of the smallest statement that holds [start, end) or ends right before it; None
    where that is the function, or where an error is in between."""
    functions = languages.of(tree.document.language).functions
    before = tree.leaf_before(start)
    for node in tree.upwards(before):
        if node.is_error or node.type in functions:
            return None
        first, last = tree.start(node), tree.offset(node.end_byte)
        near = tree.document.line_at(last) == tree.document.line_at(start)
        if _STATEMENT.search(node.type) and first < start and (end <= last or near):
            return first, max(last, end)
    return None


def _function(tree: SyntaxTree, start: int, end: int) -> Node | None:
    functions = languages.of(tree.document.language).functions
    around = tree.smallest(tree.byte(start), tree.byte(end))
    return next((node for node in tree.notable(around) if node.type in functions), None)


def _block(document: Document, first: int, last: int) -> tuple[int, int]:
    """From the line that is indented less than `first`, or from `first` where that is not indented,
    down to what is indented no more than that: the last line too where it only closes."""
    indent = _indent(document, first)
    header = first
    while indent > 0 and header > 0 and not _is_outside(document, header, indent - 1):
        header -= 1
    outer = _indent(document, header)
    most = len(document.line_starts) - 1
    while last < most and not _is_outside(document, last + 1, outer):
        last += 1
    if last < most and document.line_text(last + 1).lstrip().startswith(("}", ")", "]", "end")):
        last += 1
    return header, last


def _is_outside(document: Document, line: int, width: int) -> bool:
    text = document.line_text(line)
    return bool(text.strip()) and indent_width(text) <= width


def _indent(document: Document, line: int) -> int:
    """Columns that a line is indented by; a blank one as the nearest above that is not."""
    while line > 0 and not document.line_text(line).strip():
        if indent_width(document.line_text(line)):
            break
        line -= 1
    return indent_width(document.line_text(line))
