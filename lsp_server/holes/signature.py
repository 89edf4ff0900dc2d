"""What there is to say of a function in its documentation: parameters, what it gives, raises."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from lsp_server.holes.spot import Spot
from lsp_server.syntax.path import children

if TYPE_CHECKING:
    from tree_sitter import Node

_NAMING_FIELDS = ("name", "pattern", "declarator", "left")
_SPLATS = {"list_splat_pattern", "dictionary_splat_pattern", "splat_parameter"}
_NO_NAMES = {"comment", "object_pattern", "array_pattern", "decorator", "self_parameter"}
_RETURNS = {"return_statement", "return_expression", "return"}
_WORDS = re.compile(r"\b(?:return|yield|raise|throws?)\b")
# What is read of a function: characters, and words and parameters in them.
SAMPLE = 50_000
MOST_WORDS = 300
MOST_PARAMETERS = 100
DEEPEST_NAME = 16
_NOTHING = re.compile(r"->\s*None\b|:\s*(?:(?:void|never)\b|Promise<void>)")
_THROWN = re.compile(r"(?:raise|throw)\s+(?:new\s+)?([A-Za-z_][\w.:]*)")


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """In the order in which they stand there. `raises` are names of types: in Rust, the Result."""

    parameters: tuple[Parameter, ...] = ()
    returns: bool = False
    yields: bool = False
    raises: tuple[str, ...] = ()


def signature_of(spot: Spot, function: Node) -> Signature:
    """Of what is no function: an empty one."""
    if function.type not in spot.record.functions:
        return Signature()
    own = _own(spot, function)
    yields = any(node.type in ("yield", "yield_expression") for node in own)
    return Signature(
        tuple(_parameters(spot, function)),
        not yields and _gives(spot, function, own),
        yields,
        _raised(spot, function, own),
    )


def _parameters(spot: Spot, function: Node) -> Iterator[Parameter]:
    listed = function.child_by_field_name("parameters")
    declarator = function.child_by_field_name("declarator")
    while listed is None and declarator is not None:  # C and C++
        listed = declarator.child_by_field_name("parameters")
        declarator = declarator.child_by_field_name("declarator")
    if listed is None:
        single = function.child_by_field_name("parameter")
        nodes = [single] if single is not None else []
    else:
        nodes = list(islice(children(listed, named=True), MOST_PARAMETERS))
    for number, node in enumerate(nodes):
        name = _name(spot, node)
        if name is None or (number == 0 and name in spot.record.implied_parameters):
            continue
        kind = node.child_by_field_name("type")
        yield Parameter(name, " ".join(spot.text_of(kind).split()) if kind is not None else None)


def _name(spot: Spot, node: Node, depth: int = 0) -> str | None:
    """None for what is taken apart where it arrives, and for a C prototype's bare type."""
    if node.type in _NO_NAMES or depth > DEEPEST_NAME:
        return None
    if node.type in _SPLATS or node.type.endswith("identifier"):
        return spot.text_of(node) if "type" not in node.type else None
    below = next(filter(None, map(node.child_by_field_name, _NAMING_FIELDS)), None)
    kind = node.child_by_field_name("type")
    within = children(node, named=True) if below is None else [below]
    names = (_name(spot, each, depth + 1) for each in within if each != kind)
    return next(filter(None, names), None)


def _gives(spot: Spot, function: Node, own: list[Node]) -> bool:
    kind, body = function.child_by_field_name("type"), function.child_by_field_name("body")
    if kind is not None:  # C, C++, Java
        declarator = function.child_by_field_name("declarator")
        is_pointer = declarator is not None and declarator.type == "pointer_declarator"
        return spot.text_of(kind) != "void" or is_pointer
    if any(node.type in _RETURNS and node.named_child_count for node in own):
        return True
    if function.type == "arrow_function" and body is not None:
        return body.type != "statement_block"
    returned = function.child_by_field_name("return_type")
    if returned is None:
        return False
    before = spot.document.text[: spot.start_of(returned)][-4:]
    return not _NOTHING.search(before + spot.text_of(returned))


def _raised(spot: Spot, function: Node, own: list[Node]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    given = function.child_by_field_name("return_type")
    error_types = spot.record.error_types
    if error_types is not None and given is not None:
        names |= dict.fromkeys(re.findall(error_types, spot.text_of(given)))
    for node in own:
        if node.type in ("raise_statement", "throw_statement"):
            found = _THROWN.match(spot.text_of(node))
            names |= {found.group(1): None} if found is not None else {}
        elif node.type == "throws" and spot.parent(node) == function:
            names |= {spot.text_of(each): None for each in children(node, named=True)}
    return tuple(name for name in names if name[0].isupper() or "." in name or ":" in name)


def _own(spot: Spot, function: Node) -> list[Node]:
    """What gives, yields or raises in the function, but not in another one inside of it; in order.

    Found by the words that begin it: a walk over all nodes takes 50 ms in 5,000 lines.
    """
    inner = spot.record.functions
    start = spot.start_of(function)
    end = min(spot.end_of(function), start + SAMPLE)
    own = []
    for found in islice(_WORDS.finditer(spot.document.text, start, end), MOST_WORDS):
        word = spot.node_of(*found.span())
        node = spot.parent(word) if word is not None and not word.is_named else word
        if node is None or node.type in ("string_content", "comment"):
            continue
        home = next((each for each in spot.notable(node) if each.type in inner), None)
        if home == function:
            own.append(node)
    return own
