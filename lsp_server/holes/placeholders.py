"""Where something stands for code that is not there yet, as items and as holes."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from engine.api import Shape
from lsp_server.gap import with_lf
from lsp_server.holes.hole import Hole
from lsp_server.holes.marks import TODO, in_body, in_code
from lsp_server.holes.spot import Spot
from lsp_server.holes.wanted import Wanted

if TYPE_CHECKING:
    from tree_sitter import Node

_VALUE_BEFORE = re.compile(
    r"(?:^|[=(,\[{:+\-*/<>&|!?;%^]|\b(?:return|yield|await|in|else|then|do|case|not|and|or|if))$"
)
_VALUE_AFTER = re.compile(r"[;,)\]}:+\-*/<>&|!=%^?]|(?:and|or|if|else|then|do|end)\b|$|#|//|--")
# Where the three dots are the language's own.
_DOTS_MEAN_SOMETHING = {
    "subscript",
    "type",
    "generic_type",
    "parameter_list",
    "variadic_parameter",
    "parameters",
    "formal_parameters",
    "method_parameters",
    "fold_expression",
    "spread_element",
    "implicit_length_array_type",
    "type_parameter",
    "catch_clause",
}
# Characters on either side of the cursor.
REACH = 10_000
# Holes, and comments among them: more no model fills at once.
MOST = 50
# Levels of the syntax in which three dots can belong to what they stand in.
NEAR = 16


@dataclass(frozen=True, slots=True)
class Item:
    """A placeholder, a comment that says TODO, or (`kind` "comment") another comment."""

    kind: str
    start: int
    end: int
    text: str


def items_only(spot: Spot, start: int, end: int) -> list[Item] | None:
    """What stands between two offsets if it is nothing but placeholders and comments."""
    text, at = spot.document.text, start
    items: list[Item] = []
    pattern = in_body(spot.language)
    between = " \t\r\n\f" if spot.record.comment == ";" else " \t\r\n\f;"
    while True:
        while at < end and text[at] in between:
            at += 1
        if at >= end:
            return items
        found = pattern.match(text, at, end)
        if found is None or found["open"] is not None:
            return None
        kind = found.lastgroup or ""
        if kind == "comment" and TODO.search(found.group()):
            kind = "todo"
        items.append(Item(kind, found.start(), found.end(), found.group()))
        if len(items) > MOST:
            return None
        at = found.end()


def todo_text(comment: str) -> str:
    """What a TODO says is to be done, on its first line."""
    found = TODO.search(comment)
    return found[1].removesuffix("*/").removesuffix("]]").strip() if found else ""


def lead_of(todos: list[Item], indent: str) -> str:
    """The comments as the model reads them, in front of a hole on a line of its own."""
    return "".join(f"{with_lf(item.text.rstrip())}\n{indent}" for item in todos)


def holes_between(spot: Spot, start: int, end: int) -> list[Hole]:
    """All placeholders between two offsets as holes, in order; neighbours are one hole."""
    return holes_of(spot, items_between(spot, start, end))


def holes_of(spot: Spot, items: list[Item]) -> list[Hole]:
    return [hole for group in _neighbours(spot, items) for hole in _holes_of(spot, group)]


def items_between(spot: Spot, start: int, end: int) -> list[Item]:
    """Placeholders and comments that say TODO, in order; those near to the cursor of too many."""
    items: list[Item] = []
    start, end = max(start, spot.start - REACH), min(end, spot.end + REACH)
    for found in _nearest(spot, list(_candidates(spot, start, end))):
        kind = found.lastgroup or ""
        if kind == "comment":
            if not TODO.search(found.group()) and not _continues_todo(spot, items, found.start()):
                continue
            kind = "todo"
        item = Item(kind, found.start(), found.end(), found.group())
        if _is_real(spot, item):
            items.append(item)
    return items


def _candidates(spot: Spot, start: int, end: int) -> Iterator[re.Match[str]]:
    """Comments that neither say TODO nor stand below one are left out."""
    below = -1  # the line on which a comment goes on with what is said above
    for found in in_code(spot.language).finditer(spot.document.text, start, end):
        if found["open"] is not None:
            return
        if found.lastgroup == "comment":
            is_below = spot.document.line_at(found.start()) == below
            if not is_below and not TODO.search(found.group()):
                continue
            below = spot.document.line_at(found.end()) + 1
        yield found


def _nearest(spot: Spot, found: list[re.Match[str]]) -> list[re.Match[str]]:
    """What each of them is, the syntax has to tell: no cursor waits for thousands."""
    if len(found) <= MOST:
        return found
    at = bisect_left(found, spot.start, key=lambda each: each.start())
    first = max(0, min(at - MOST // 2, len(found) - MOST))
    return found[first : first + MOST]


def _continues_todo(spot: Spot, items: list[Item], at: int) -> bool:
    """A comment on the line right below a TODO that goes on at the same indent."""
    if not items or items[-1].kind != "todo":
        return False
    last = items[-1]
    return (
        spot.document.line_at(at) == spot.document.line_at(last.end) + 1
        and spot.begins_line(at)
        and spot.begins_line(last.start)
        and spot.indent_at(at) == spot.indent_at(last.start)
    )


def _neighbours(spot: Spot, items: list[Item]) -> list[list[Item]]:
    """A TODO and what it is above of, on lines of their own, are one thing to do."""
    groups: list[list[Item]] = []
    for item in items:
        last = groups[-1][-1] if groups else None
        if (
            last is not None
            and last.kind == "todo"
            and _is_alone(spot, last)
            and not spot.document.text[last.end : item.start].strip()
            and (_is_alone(spot, item) or item.kind == "placeholder")
            and spot.begins_line(item.start)
            and spot.indent_at(item.start) == spot.indent_at(last.start)
        ) or (
            last is not None
            and last.kind == "placeholder"
            and item.kind == "todo"
            and spot.begins_line(last.start)
            and spot.document.line_at(last.start) == spot.document.line_at(item.start)
            and not spot.document.text[last.end : item.start].strip(" \t;")
        ):
            groups[-1].append(item)
        else:
            groups.append([item])
    return groups


def _holes_of(spot: Spot, group: list[Item]) -> list[Hole]:
    first, last = group[0], group[-1]
    text = spot.document.text
    todos = [item for item in group if item.kind == "todo"]
    indent = spot.indent_at(first.start)
    end = last.end
    if text.startswith(";", end) and spot.ends_line(end + 1):
        alone_end = end + 1
    else:
        alone_end = end
    alone = spot.begins_line(first.start) and spot.ends_line(alone_end)
    if alone and not _is_in_brackets(spot, first.start):
        lead = lead_of(todos, indent)
        alone_end = _after_nothing(spot, alone_end) if last.kind == "todo" else alone_end
        hole = Hole(first.start, alone_end, Shape.BLOCK, lead=lead, indent=indent)
        return [replace(hole, wanted=Wanted.CODE)]
    if todos and len(group) == 1:
        comment = first.text
        inline = comment.startswith("/*") and not spot.begins_line(first.start)
        if not inline or not _is_value(spot, first.start, first.end):
            return []
        lead = f"{with_lf(comment)} "
        return [Hole(first.start, first.end, Shape.LINE, lead=lead, wanted=Wanted.CODE)]
    return [Hole(first.start, last.end, Shape.LINE, wanted=Wanted.CODE)]


def _after_nothing(spot: Spot, end: int) -> int:
    """A `pass` below what is to be done has done its duty."""
    nothing = spot.record.placeholders.nothing
    if nothing is None:
        return end
    below = re.compile(rf"(?:\r\n?|\n)({spot.indent_at(end)}){nothing}[ \t]*(?=[\r\n]|$)")
    found = below.match(spot.document.text, end)
    return found.end() if found is not None else end


def _is_alone(spot: Spot, item: Item) -> bool:
    return spot.begins_line(item.start) and spot.ends_line(item.end)


def _is_in_brackets(spot: Spot, start: int) -> bool:
    """Whether what stands on a line of its own is an argument or an element, not a statement."""
    before = spot.document.text[max(0, start - 500) : start].rstrip()
    return before.endswith(("(", "[", ",", "=", "+", "&&", "||"))


def _is_real(spot: Spot, item: Item) -> bool:
    """Not inside a string or a comment, and in a place where code is missing."""
    node = spot.node_of(item.start, item.start + 1)
    if item.kind == "todo":
        return node is None or not _is_in(spot, node, ("string",))
    if node is not None and _is_in(spot, node, ("string", "comment")):
        return False
    if item.text != "...":
        return item.text[0] not in "?T" or _is_value(spot, item.start, item.end)
    if not _is_value(spot, item.start, item.end):
        return False
    dots = spot.record.dots
    if dots.are_arguments and _passes_arguments_on(spot, item.start):
        return False
    if dots.after and spot.before(item.start).endswith(dots.after):
        return False
    return node is None or not any(
        above.type in _DOTS_MEAN_SOMETHING for above in _up_to_statement(spot, node)
    )


def _up_to_statement(spot: Spot, node: Node) -> Iterator[Node]:
    for above in islice(spot.upwards(node), NEAR):
        if above.type in ("call", "call_expression", "argument_list", "arguments", "ERROR"):
            return
        if above.type.endswith(("_statement", "_definition", "_item", "block")):
            return
        yield above


def _is_in(spot: Spot, node: Node, kinds: tuple[str, ...]) -> bool:
    """In an interpolation one is in code again."""
    for above in spot.notable(node):
        if above.type in ("interpolation", "template_substitution", "expansion"):
            return False
        if any(kind in above.type for kind in kinds) and "statement" not in above.type:
            return True
    return False


def _is_value(spot: Spot, start: int, end: int) -> bool:
    before, after = spot.before(start).rstrip(), spot.after(end).lstrip()
    return bool(_VALUE_BEFORE.search(before) and _VALUE_AFTER.match(after))


def _passes_arguments_on(spot: Spot, start: int) -> bool:
    """The nearest function around has `...` among its parameters, or there is none (Lua)."""
    node = spot.node_of(start, start + 3)
    for above in spot.notable(node):
        if above.type in ("function_declaration", "function_definition", "method"):
            parameters = above.child_by_field_name("parameters")
            return parameters is not None and "..." in spot.text_of(parameters)
    return spot.record.dots.file_has_arguments and not spot.begins_line(start)
