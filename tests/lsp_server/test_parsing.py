"""Trees of versions that follow each other are the trees of a fresh parse; patience has an end."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.difference import CHUNK, difference
from lsp_server.document import Document
from lsp_server.syntax import parsing
from lsp_server.syntax import part as parts
from lsp_server.syntax import tree as trees
from lsp_server.syntax.parsing import Parsing
from lsp_server.syntax.part import LONGEST, part_around
from lsp_server.syntax.tree import parse, parse_part

TEXT = "def f(a):\n    return 'é🎉'  # b\n\n\nclass A:\r\n    x = {1: 2}\n"
NEWLINES = ["\n", "\r\n", "\r"]
PIECES = ["x", "(", ")", "'", "'''", *NEWLINES, "    ", "def g():\n", "🎉", "é", "#", "{", ""]


def python(text: str, version: int = 1) -> Document:
    return Document("file:///a.py", version, "python", text)


@pytest.mark.parametrize("newline", NEWLINES[1:])
def test_whatever_ends_the_lines_the_tree_is_the_same(newline: str) -> None:
    text = TEXT.replace("\r\n", "\n")
    tree, other = parse(python(text)), parse(python(text.replace("\n", newline)))
    assert tree is not None
    assert other is not None
    assert str(other.tree.root_node) == str(tree.tree.root_node)
    assert other.errors() == 0


def test_an_edited_tree_is_the_tree_of_a_fresh_parse() -> None:
    draw = random.Random(3)
    text, tree = TEXT, parse(python(TEXT))
    for version in range(2, 150):
        start = draw.randrange(len(text) + 1)
        end = min(len(text), start + draw.choice([0, 0, 1, 9]))
        text = text[:start] + draw.choice(PIECES) + text[end:]
        tree = parse(python(text, version), tree)
        fresh = parse(python(text, version))
        assert tree is not None
        assert fresh is not None
        if not fresh.tree.root_node.has_error:  # how an error is mended depends on what was there
            assert str(tree.tree.root_node) == str(fresh.tree.root_node)


small = st.text(alphabet="ab\n", max_size=9)


@given(small, small, small, small, st.integers(0, 2))
@settings(max_examples=300, deadline=None)
def test_difference(head: str, old: str, new: str, tail: str, chunks: int) -> None:
    head, tail = head + "h" * chunks * CHUNK, "t" * chunks * CHUNK + tail
    one, other = head + old + tail, head + new + tail
    start, old_end, new_end = difference(one, other)
    assert one[:start] + other[start:new_end] + one[old_end:] == other
    assert one[:start] == other[:start]
    assert start >= len(head) or one == other
    assert (old_end, new_end) == (start, start) or one[start:old_end] != other[start:new_end]


ERRORS = [("x = 1\n", 0), ("x = \n", 1), ("f(\n", 1), ("def f(:\n  )\n", 2)]


@pytest.mark.parametrize(("text", "least"), ERRORS)
def test_errors_are_counted(text: str, least: int) -> None:
    tree = parse(python(text))
    assert tree is not None
    assert (tree.errors() >= least) if least else (tree.errors() == 0)


async def test_a_tree_is_kept_shared_and_forgotten() -> None:
    keeper = Parsing()
    document = python(TEXT)
    first = await keeper.tree(document)
    assert first is not None
    assert await keeper.tree(document) is first
    (later,) = [await keeper.tree(python(TEXT + "y = 1\n", 2))]
    assert later is not None
    assert "y" in later.document.text
    variant = await keeper.variant(python(TEXT + "z = (\n", 3), later)
    assert variant is not None
    assert variant.errors() > later.errors() == 0
    keeper.forget(document.uri)
    assert not keeper._trees
    assert not keeper._newest
    keeper.close()


async def test_no_tree_without_a_grammar_or_of_a_huge_document(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keeper = Parsing()
    assert await keeper.tree(Document("file:///a", 1, "klingon", "Qapla'")) is None
    monkeypatch.setattr(parsing, "LARGEST", 3)
    assert await keeper.tree(python("x = 1")) is None


def test_a_parse_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    long = python("x = [1, 2]\n" * 20_000)
    assert parse(long, time_cap=60) is not None
    with pytest.raises(TimeoutError):
        parse(long, time_cap=0)
    monkeypatch.setattr(trees, "UNWATCHED", 1 << 20)
    assert parse(long, time_cap=0) is not None


async def test_a_parse_that_is_no_longer_wanted_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        parse(python("x = [1, 2]\n" * 20_000), time_cap=60, is_wanted=lambda: False)


BASKET = """class Basket:
    '''One.

Of many: größer.

    '''

    def total(self, items):
        # TODO: sum

        price = (‸)

        return price

    def clear(self):
        pass


@cached
def f(a):
    return [

        a
    ]


"""
MEMBERS = "    int x;\n\n    int f(int a) {\n        return ‸;\n    }\n\n"


def long_one(block: str) -> tuple[str, int]:
    """A text of many blocks, and the cursor's place in one in its middle."""
    bare = block.replace("‸", "")
    many = 2 * LONGEST // len(bare) + 1
    return bare * 2 * many, len(bare) * many + block.index("‸")


@pytest.mark.parametrize("typed", ["", "x", "foo(", "'''", "\n\ndef g(", "é🎉 = {"])
def test_a_part_holds_the_definitions_around_the_cursor(typed: str) -> None:
    old, at = long_one(BASKET)
    known = parse(python(old))
    assert known is not None
    text, at = old[:at] + typed + old[at:], at + len(typed)
    document = python(text, 2)
    part = part_around(document, at, known)
    assert part is not None
    assert part[0] <= at <= part[1] <= part[0] + LONGEST
    for edge in part:
        assert text[edge:].startswith(("class Basket", "@cached"))
    tree = parse_part(document, part)
    assert tree is not None
    assert tree.byte(at) == len(text[:at].encode())
    assert tree.offset(tree.byte(at)) == at


def test_a_part_is_what_the_whole_tree_says_of_it() -> None:
    text, at = long_one(BASKET)
    whole = parse(python(text))
    assert whole is not None
    part = part_around(python(text), at, whole)
    assert part is not None
    tree = parse_part(python(text), part)
    assert tree is not None
    assert not tree.tree.root_node.has_error
    inside = range(tree.byte(part[0]), tree.byte(part[1]))
    same = [node for node in whole.tree.root_node.children if node.start_byte in inside]
    assert [(str(node), node.start_byte) for node in tree.tree.root_node.children] == [
        (str(node), node.start_byte) for node in same
    ]


def test_a_part_of_a_long_class_is_some_of_its_members() -> None:
    text, at = long_one(MEMBERS)
    document = Document("file:///a", 1, "java", f"class A {{\n\n{text}}}\n")
    known = parse(document)
    assert known is not None
    part = part_around(document, at + len("class A {\n\n"), known)
    assert part is not None
    tree = parse_part(document, part)
    assert tree is not None
    assert "method_declaration" in str(tree.tree.root_node)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_paragraphs_are_found_piece_by_piece(newline: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "LONGEST", 400)
    draw = random.Random(5)
    for _ in range(100):
        monkeypatch.setattr(parts, "FIRST_LINES", draw.choice([1, 2, 32]))
        lines = draw.choices(["", "  ", " x", "x", "\ty", "    z)", "}", "  end", "ü" * 9], k=90)
        document = python(newline.join(lines))
        offset = draw.randrange(len(document.text))
        here = document.line_at(offset)
        starts = [
            (line, document.line_starts[line])
            for line in range(2, len(lines))
            if not lines[line - 1].strip()
            and lines[line].strip()
            and not lines[line].strip().startswith(("}", "end"))
        ]
        near = [each for each in starts if abs(each[1] - offset) < 390]
        for above in (True, False):
            found = [at for at, _ in parts._paragraphs(document, offset, above=above)]
            side = [at for line, at in near if (line <= here) == above]
            assert [at for at in found if abs(at - offset) < 390] == sorted(side, reverse=above)


def test_one_long_function_has_no_parts() -> None:
    text = "def f():\n" + "    x = 1\n\n" * LONGEST
    known = parse(python(text))
    assert known is not None
    assert part_around(python(text, 2), len(text) // 2, known) is None


async def test_what_is_near_is_known_while_a_long_document_is_typed() -> None:
    keeper = Parsing()
    text, at = long_one(BASKET)
    whole = await keeper.near(python(text), at)
    assert whole is not None
    assert whole.part is None
    changed = python(text[:at] + "foo(" + text[at:], 2)
    near = await keeper.near(changed, at + 4)
    assert near is not None
    assert near.part is not None
    filled = python(text[:at] + "foo(1)" + text[at:], 3)
    variant = await keeper.variant(filled, near)
    assert variant is not None
    assert variant.errors() < near.errors()
    keeper.close()


async def test_a_long_parse_lets_the_event_loop_run() -> None:
    """tree-sitter itself holds the interpreter's lock from the first byte to the last."""
    keeper = Parsing()
    parsing = asyncio.ensure_future(keeper.tree(python("x = foo(\n" * 20_000)))
    turns = 0
    while not parsing.done():
        await asyncio.sleep(0)
        turns += 1
    keeper.close()
    assert turns > 20


async def test_a_parse_that_fails_is_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no luck")

    monkeypatch.setattr(parsing, "parse", fails)
    keeper = Parsing()
    assert await keeper.tree(python("x = 1")) is None
    keeper.close()
