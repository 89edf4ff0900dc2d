"""The names of which one must stand in a gap, where that is known: the members of an enum behind
its name, and what a module has behind an import of it.

A list that is not whole would forbid the right name, so there is none where something cannot be
read, or where more than a name has to be written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from engine.api import Shape
from lsp_server import languages
from lsp_server.context.asked import Asked
from lsp_server.index.reader import Reader
from lsp_server.languages.language import Enum
from lsp_server.syntax.grammars import grammar
from lsp_server.syntax.path import children

if TYPE_CHECKING:
    from tree_sitter import Node

MOST = 200  # names; of more none is chosen by what they are
MOST_FILES = 8  # that may define an enum, or be the module
LARGEST = 200_000  # characters of a file
_MEMBER = re.compile(r"(?<![\w.:])([^\W\d]\w*)(?:\.|::)[ \t]*$")
_CONDITIONAL = frozenset(
    ("if_statement", "try_statement", "for_statement", "while_statement", "with_statement")
)
_OPENERS, _CLOSERS = "([{", ")]}"


def names(asked: Asked, reader: Reader | None) -> tuple[str, ...]:
    """In the order in which they are defined."""
    line = asked.prefix[-2000:].rpartition("\n")[2]
    rest = asked.suffix[:2000].partition("\n")[0]
    if asked.shape is not Shape.LINE or not _is_a_name_missing(line, rest):
        return ()
    imports = languages.of(asked.language).import_of_names
    found = re.match(imports, line) if imports is not None else None
    if found is not None:
        chosen = list(_of_module(found["module"], asked, reader))
        taken = set(re.findall(r"\w+", line[found.end("module") :]))
        chosen = [name for name in chosen if name not in taken]
    elif (member := _MEMBER.search(line)) is not None:
        chosen = list(_of_enum(member[1], asked, reader))
    else:
        return ()
    return tuple(dict.fromkeys(chosen)) if len(chosen) <= MOST else ()


def _is_a_name_missing(line: str, rest: str) -> bool:
    """Whether a name makes the line whole: what it opens is closed behind the gap."""
    if rest.strip() and not re.match(r"\s*[)\]},;:]", rest):
        return False
    return all(
        (line + rest).count(opener) == (line + rest).count(closer)
        for opener, closer in zip(_OPENERS, _CLOSERS, strict=True)
    )


def _of_enum(name: str, asked: Asked, reader: Reader | None) -> Iterator[str]:
    """Of the one that is defined in the document, else of the only one in the workspace."""
    enum = languages.of(asked.language).enum
    if enum is None:
        return
    here = list(_enums(asked.prefix + asked.suffix, asked.language, enum, name))
    if not here and reader is not None:
        for path in dict.fromkeys(each.path for each in reader.defined([name], MOST_FILES)):
            text = _read(reader, path)
            language = languages.of_file(PurePosixPath(path))
            if text is not None and language == asked.language:
                here += _enums(text, asked.language, enum, name)
    if len(here) == 1:
        yield from here[0]


def _enums(text: str, language: str, enum: Enum, name: str) -> Iterator[list[str]]:
    """The members of each enum of that name; none of one that has none."""
    if not re.search(rf"\b(?:class|enum|struct)\s+{re.escape(name)}\b", text):
        return
    for node in _nodes(text, language, enum.kinds):
        named = node.child_by_field_name("name")
        bases = node.child_by_field_name("superclasses")
        if named is None or _text(named) != name:
            continue
        if enum.base is not None and (bases is None or not re.search(enum.base, _text(bases))):
            continue
        body = node.child_by_field_name("body")
        found = list(_members(body, enum)) if body is not None else []
        if found and not node.has_error:
            yield found


def _members(body: Node, enum: Enum) -> Iterator[str]:
    for child in children(body, named=True):
        inner = _stated(child)
        if inner.type not in enum.members:
            continue
        named = inner.child_by_field_name("name") or inner.child_by_field_name("left") or inner
        if named.named_child_count == 0 and not _text(named).startswith("_"):
            yield _text(named)


def _of_module(module: str, asked: Asked, reader: Reader | None) -> Iterator[str]:
    """What stands at the outermost level of a Python module of the workspace, if it is there once;
    the modules and packages in a package too."""
    if reader is None or asked.path is None:
        return
    path = _the_one(reader, module, reader.inside(asked.path))
    text = _read(reader, path) if path is not None else None
    if path is None or text is None or re.search(r"^\s*from\s.*import\s*\*", text, re.MULTILINE):
        return
    yield from _outermost(text, asked.language)
    if PurePosixPath(path).name == "__init__.py":
        folder = PurePosixPath(path).parents[0]
        for each in reader.in_folder(str(folder)):
            stem = PurePosixPath(each).stem
            if each.endswith(".py") and stem != "__init__":
                yield stem


def _the_one(reader: Reader, module: str, own: str | None) -> str | None:
    """The file of a module, relative to the workspace."""
    dots = len(module) - len(module.lstrip("."))
    parts = [part for part in module.split(".") if part]
    ends = ["/".join((*parts, "__init__.py"))]
    if parts:
        ends.append("/".join(parts) + ".py")
    if dots:
        if own is None or len(PurePosixPath(own).parents) < dots:
            return None
        folder = PurePosixPath(own).parents[dots - 1]
        there = [str(folder / end) for end in ends]
        return next((each for each in there if (reader.root / each).is_file()), None)
    stems = [parts[-1], "__init__"] if parts else []
    paths = dict.fromkeys(path for stem in stems for path in reader.named(stem)[:50])
    found = [each for each in paths if any(f"/{each}".endswith(f"/{end}") for end in ends)]
    return found[0] if len(found) == 1 else None


def _outermost(text: str, language: str) -> list[str]:
    """None where some of them depend on what happens when the module is imported."""
    found: list[str] = []
    for node in _nodes(text, language, frozenset(("module",))):
        for child in children(node, named=True):
            inner = _stated(child.child_by_field_name("definition") or child)
            named = inner.child_by_field_name("name") or inner.child_by_field_name("left")
            if inner.type in _CONDITIONAL or node.has_error:
                return []
            if inner.type in ("import_from_statement", "import_statement"):
                found += re.findall(r"(\w+)\s*(?:,|\)|$)", _text(inner))
            elif named is not None:
                found += re.findall(r"\w+", _text(named)) if "." not in _text(named) else []
    return [] if "__getattr__" in found else found


def _nodes(text: str, language: str, kinds: frozenset[str]) -> Iterator[Node]:
    from tree_sitter import Parser

    known = grammar(language)
    if known is None:
        return
    waiting = [Parser(known).parse(text[:LARGEST].encode("utf-8", "replace")).root_node]
    while waiting:
        node = waiting.pop()
        if node.type in kinds:
            yield node
        if node.type != "module" or "module" not in kinds:
            waiting += children(node, named=True)


def _stated(node: Node) -> Node:
    """The expression of a statement that is one."""
    if node.type != "expression_statement":
        return node
    return next(children(node, named=True), node)


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _read(reader: Reader, path: str) -> str | None:
    text = reader.text(path)
    return text if text is None or len(text) <= LARGEST else None
