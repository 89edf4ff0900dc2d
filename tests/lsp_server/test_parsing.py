"""Trees of versions that follow each other are the trees of a fresh parse; patience has an end."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.difference import CHUNK, difference
from lsp_server.document import Document
from lsp_server.syntax import parsing
from lsp_server.syntax import tree as trees
from lsp_server.syntax.parsing import Parsing
from lsp_server.syntax.tree import parse

TEXT = "def f(a):\n    return 'é🎉'  # b\n\n\nclass A:\r\n    x = {1: 2}\n"
PIECES = ["x", "(", ")", "'", "'''", "\n", "\r\n", "    ", "def g():\n", "🎉", "é", "#", "{", ""]


def python(text: str, version: int = 1) -> Document:
    return Document("file:///a.py", version, "python", text)


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


async def test_a_parse_that_fails_is_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no luck")

    monkeypatch.setattr(parsing, "parse", fails)
    keeper = Parsing()
    assert await keeper.tree(python("x = 1")) is None
    keeper.close()
