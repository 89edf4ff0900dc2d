"""Walks through a syntax tree take the time of what they look at, in deep and long syntax too.

No time is asserted here: `benchmarks/server.py` has the times.
"""

from __future__ import annotations

import ast
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lsp_server.document import Document
from lsp_server.features.code_actions import PLANS
from lsp_server.gap import cut
from lsp_server.holes.spot import Spot
from lsp_server.languages import LANGUAGES
from lsp_server.settings import Settings
from lsp_server.suggest.policy import Trigger, silent_because
from lsp_server.syntax import path as paths
from lsp_server.syntax.grammars import GRAMMARS, grammar
from lsp_server.syntax.part import _WHOLE, part_around
from lsp_server.syntax.path import NOTABLE, children, last_child
from lsp_server.syntax.path import Path as Way
from lsp_server.syntax.place import _CODE_IN_STRINGS, _IMPORTS
from lsp_server.syntax.tree import SyntaxTree, parse

if TYPE_CHECKING:
    from tree_sitter import Node

PACKAGE = Path(__file__).parents[2] / "lsp_server"
# Each of these searches from the root of the tree, or makes a list of all children.
COSTLY = {
    "parent", "children", "named_children", "next_sibling", "prev_sibling", "next_named_sibling",
    "prev_named_sibling", "children_by_field_name",
}  # fmt: skip
ROOMS = ("syntax", "holes", "features", "suggest", "gap.py", "anchor.py", "context", "notify")

DEEP = {
    "a long expression": ("python", "def f(a):\n    x = (\n" + "        a +\n" * 400 + "    b)\n"),
    "else if": ("javascript", "function f(a) {\n" + "if (a) { b() } else " * 300 + "{ c() }\n}\n"),
    "elsif": ("ruby", "def f(a)\nif a\n b\n" + "elsif c\n b\n" * 300 + "end\nend\n"),
    "brackets": ("c", "int f(int a) { return " + "(" * 300 + "a" + ")" * 300 + "; }\n"),
    "calls": ("java", "class A { int f() { return a" + ".b()" * 300 + "; } }\n"),
    "types": ("typescript", "let a: " + "Array<" * 200 + "B" + ">" * 200 + ";\n"),
    "blocks": ("rust", "fn f() { " + "{ " * 300 + "a();" + " }" * 300 + " }\n"),
    "functions": ("lua", "return function()\n" * 100 + "x()\n" + "end\n" * 100),
    "literals": ("go", "package p\nvar a = " + "[]T{" * 100 + "1" + "}" * 100 + "\n"),
    "elements": ("html", "<div>\n" * 200 + "x" + "</div>\n" * 200),
    "arrays": ("json", "[" * 400 + "1" + "]" * 400),
    "substitutions": ("shellscript", 'f() { a="' + "$(b " * 60 + ")" * 60 + '"; }\n'),
    "broken": ("cpp", "int f() {\n" + "if (a) { (\n" * 100),
}

VERY_DEEP = {
    "a long expression": ("python", "def f(a):\n    x = (\n" + "        a +\n" * 5000 + "    b)\n"),
    "powers": ("python", "def f(a):\n    x = (\n" + "        a **\n" * 5000 + "    b)\n"),
    "else if": ("javascript", "function f(a) {\n" + "if (a) { b() } else " * 3000 + "{ c() }\n}\n"),
    "brackets": ("c", "int f(int a) { return " + "(" * 3000 + "a" + ")" * 3000 + "; }\n"),
    "calls": ("java", "class A { int f() { return a" + ".b()\n" * 3000 + "; } }\n"),
    "a string": ("go", "package p\nvar a = `" + "b\n" * 3000 + "` +\n" + '"c" +\n' * 3000 + "d\n"),
    "arrays": ("json", "[" * 3000 + "1" + "]" * 3000),
    "at the start": ("typescript", "a" + " + b" * 3000),
}


def parsed(language: str, text: str) -> SyntaxTree:
    tree = parse(Document("file:///a", 1, language, text))
    assert tree is not None
    return tree


def upwards(node: Node | None) -> list[Node]:
    found = []
    while node is not None:
        found.append(node)
        node = node.parent
    return found


@pytest.mark.parametrize("name", DEEP)
def test_the_kept_way_is_the_way_of_tree_sitter(name: str) -> None:
    tree, draw = parsed(*DEEP[name]), random.Random(1)
    root, length = tree.tree.root_node, len(tree.source)
    for _ in range(60):
        start = draw.randrange(length)
        end = min(length, start + draw.choice([0, 0, 1, 5]))
        node = root.descendant_for_byte_range(start, end)
        assert node is not None
        expected = upwards(node)
        assert list(tree.upwards(node)) == expected
        notable = [each for each in expected if NOTABLE.search(each.type)]
        assert list(tree.notable(node)) == notable
        above = draw.choice(expected)
        assert tree.parent(above) == above.parent


def test_a_walk_goes_on_while_another_begins() -> None:
    tree = parsed(*DEEP["else if"])
    first, last = tree.leaf_before(60), tree.leaf_before(5000)
    walk = tree.upwards(last)
    begun = [next(walk), next(walk)]
    assert list(tree.upwards(first)) == upwards(first)
    assert [*begun, *walk] == upwards(last)


@pytest.mark.parametrize("name", DEEP)
def test_the_smallest_node_is_found_from_the_kept_way_as_from_the_root(name: str) -> None:
    tree, draw = parsed(*DEEP[name]), random.Random(2)
    root, length = tree.tree.root_node, len(tree.source)
    for _ in range(200):
        start = draw.randrange(length + 1)
        end = min(length, start + draw.choice([0, 0, 1, 1, 7, 300]))
        found = root.descendant_for_byte_range(start, end)
        assert tree.path.smallest(start, end) == found
        named = root.named_descendant_for_byte_range(start, end)
        assert tree.path.smallest(start, end, named=True) == named
        if draw.random() < 0.5:
            assert found is not None
            list(tree.notable(found))  # now the way is kept


@pytest.mark.parametrize("name", DEEP)
def test_beyond_what_anybody_wrote_what_is_around_is_still_known(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "DEEPEST", 20)
    monkeypatch.setattr(paths, "AROUND", 8)
    tree, draw = parsed(*DEEP[name]), random.Random(3)
    root, length = tree.tree.root_node, len(tree.source)
    for _ in range(60):
        start = draw.randrange(length)
        node = root.descendant_for_byte_range(start, start + 1)
        assert node is not None
        expected = upwards(node)
        found = list(tree.upwards(node))
        assert [each for each in expected if each in found] == found
        assert found[:2] == expected[:2]
        assert found[-20:] == expected[-20:]
        assert tree.parent(node) == node.parent
        around = [
            each
            for each in expected
            if start - 8 < each.start_byte and each.end_byte < node.end_byte + 8
        ]
        assert found[: len(around)] == around
        notable = [each for each in found if NOTABLE.search(each.type)]
        assert list(tree.notable(node)) == notable


@pytest.mark.parametrize("name", VERY_DEEP)
def test_the_light_bulb_takes_few_steps_however_deep_the_syntax(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    language, text = VERY_DEEP[name]
    tree, draw = parsed(language, text), random.Random(4)
    steps: list[int] = []
    walk = Way._walk

    def counted(way: Way, node: Node, levels: int) -> Node | None:
        before = len(way._links)
        reached = walk(way, node, levels)
        steps.append(len(way._links) - before)
        return reached

    monkeypatch.setattr(Way, "_walk", counted)
    for _ in range(20):
        at, before = draw.randrange(len(text)), sum(steps)
        spot = Spot(tree.document, at, at, tree)
        for plan in PLANS.values():
            plan(spot)
        cut(tree.document, at, tree=tree)
        assert sum(steps) - before <= 3 * paths.DEEPEST


def test_what_is_asked_for_however_far_above_is_notable() -> None:
    kinds = {kind for each in LANGUAGES for kind in each.functions | each.types}
    kinds |= _IMPORTS | _CODE_IN_STRINGS
    assert [kind for kind in sorted(kinds) if not NOTABLE.search(kind)] == []
    for language in GRAMMARS:
        known = grammar(language)
        assert known is not None
        names = {known.node_kind_for_id(number) or "" for number in range(known.node_kind_count)}
        whole = {name for name in names if _WHOLE.search(name)}
        assert [name for name in sorted(whole) if not NOTABLE.search(name)] == []


def test_children_are_tree_sitters() -> None:
    for language, text in DEEP.values():
        node = parsed(language, text).tree.root_node
        assert list(children(node)) == node.children
        assert list(children(node, named=True)) == node.named_children
        assert last_child(node) == node.children[-1]


def test_nothing_walks_by_what_searches_from_the_root() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}: .{node.attr}"
        for room in ROOMS
        for path in ([PACKAGE / room] if room.endswith(".py") else (PACKAGE / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in COSTLY
        # `tree.parent(node)` is of the kept way, and a file has a folder.
        and not (node.attr == "parent" and ast.unparse(node.value) in KEPT)
    ]
    assert found == []


KEPT = {"tree", "spot", "self.tree", "self.path", "here"}

# What once took seconds takes next to nothing: each of these would hang the test.
HOSTILE = {
    "blank lines": ("python", "def f(a):\n    pass\n" + "\n" * 8_000 + "x\n"),
    "blanks": ("python", "x = 1" + " " * 50_000 + "y\n"),
    "a long line": ("javascript", "x = [" + "..., " * 8_000 + "b]\n"),
    "what is not closed": ("rust", "fn f() { " + "todo!(" * 3_000 + "\n}\n"),
    "comments in comments": ("java", "class A {\n" + "/* " * 5_000 + "\n}\n"),
    "lua's": ("lua", "function f()\n" + "--[[ " * 5_000 + "\nend\n"),
    "many TODOs": ("go", "package p\nfunc f() {\n" + "// TODO: a\n" * 5_000 + "}\n"),
    "many returns": ("c", "int f(int a) {\n" + "return a;\n" * 8_000 + "}\n"),
    "a deep line": ("ruby", "x = " + "a + " * 8_000 + "b\n"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_makes_the_light_bulb_hang(name: str) -> None:
    language, text = HOSTILE[name]
    document = Document("file:///a", 1, language, text)
    try:
        tree = parse(document, time_cap=0.5)
    except TimeoutError:  # then the server too has none
        tree = None
    for at in (12, len(text) // 2, len(text) - 3, len(text)):
        spot = Spot(document, at, at, tree)
        for plan in PLANS.values():
            plan(spot)
        cut(document, at, tree=tree)
        if tree is not None:
            part_around(document, at, tree)
        silent_because(document, at, Trigger.AUTOMATIC, Settings(), None)
