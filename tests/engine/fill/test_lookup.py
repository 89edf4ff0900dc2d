"""Drafts from the text itself; the cursor is at |."""

from __future__ import annotations

import time

import pytest

from engine.fill.lookup import MOST, look_up, look_up_block

FILE = """\
class Cache:
    def __init__(self, size):
        self.size = size
        self.entries = {}
"""

CASES = {
    "a line that begins alike": (
        "for key in keys:\n    print(key)\nfor key i|\n",
        ["n keys:", "n"],
    ),
    "the line below one like the last": (
        "try:\n    import a\nexcept ImportError:\n    a = None\ntry:\n    import b\n"
        "except ImportError:\n    |\n",
        ["a = None"],
    ),
    "the rest of a word, and of its line": (
        FILE + "        return len(self.ent|\n",
        ["ries = {}", "ries"],
    ),
    "what stands behind the cursor is not given twice": (
        "print(value)\nprint(va|)\n",
        ["lue"],
    ),
    "too little to go by": ("abc\nab|\n", []),
    "nothing there": ("|", []),
    "only the cursor's own line": ("some text|\n", []),
    "crlf": ("for key in keys:\r\n    pass\r\nfor key i|\r\n", ["n keys:", "n"]),
    "the line below is not said again": ("a = 1\nb = 2\na = 1\n|\nb = 2\n", []),
    "by analogy, the rest of a line": (
        "self.width = width\nself.height = |\n",
        ["height", "width"],
    ),
    "by analogy, after another word": (
        "total += item.price\ncount += |\n",
        ["item.price"],
    ),
    "by analogy, a whole line": (
        "width = int(args.width)\ncheck(width)\nheight = int(args.height)\n|\n",
        ["check(height)"],
    ),
    "text below the cursor": ("x = comp|\ny = 1\nx = compute(y)\n", ["ute(y)", "ute"]),
}


@pytest.mark.parametrize("name", CASES)
def test_drafts(name: str) -> None:
    marked, expected = CASES[name]
    prefix, suffix = marked.split("|")
    assert [each.text for each in look_up(prefix, suffix)] == expected


def test_how_often_a_draft_was_found() -> None:
    found = look_up("x = f(a)\nx = f(a)\nx = g(b)\nx = ", "\n")
    assert {each.text: each.times for each in found if each.text in ("f(a)", "g(b)")} == {
        "f(a)": 2 + 2,  # as lines that begin alike, and as lines that hold the same characters
        "g(b)": 1 + 1,
    }


def test_other_texts_are_looked_through() -> None:
    found = look_up("configu", "\n", ["configure(app)\n"])
    assert [each.text for each in found] == ["re(app)", "re"]


def test_no_more_than_the_most() -> None:
    text = "".join(f"value = number_{n}\n" for n in range(50))
    assert len(look_up(text + "value = ", "\n")) == MOST


@pytest.mark.parametrize("line", ["x" * 1_000_000, "ab " * 400_000])
def test_a_megabyte_on_a_line_is_looked_through_in_part(line: str) -> None:
    started = time.process_time()
    look_up(line, "\n" + line)
    assert time.process_time() - started < 30  # a hang, not a measure


BLOCKS = {
    "between the same lines": (
        "def a():\n    x = open(p)\n    y = x.read()\n    x.close()\n    return y\n"
        "def b():\n    x = open(p)\n|\n    return y\n",
        ["    y = x.read()\n    x.close()"],
    ),
    "the cursor after the indentation": (
        "if a:\n    f()\n    g()\nend()\nif a:\n    |\nend()\n",
        ["f()\n    g()"],
    ),
    "indented as here": (
        "if a:\n    f()\n    g()\nend()\nclass C:\n    if a:\n        |\n    end()\n",
        ["f()\n        g()"],
    ),
    "where more agrees first": (
        "one\nbegin\n  1\nend\ntwo\nbegin\n  2\nend\nthree\ntwo\nbegin\n|\nend\n",
        ["  2", "  1"],
    ),
    "below the cursor": ("begin\n|\nend\nother\nbegin\n  1\nend\n", ["  1"]),
    "crlf": ("begin\r\n  1\r\n  2\r\nend\r\nbegin\r\n|\r\nend\r\n", ["  1\r\n  2"]),
    "nothing between": ("begin\nend\nbegin\n|\nend\n", []),
    "too far apart": ("begin\n" + "  1\n" * 20 + "end\nbegin\n|\nend\n", []),
    "not on an empty line": ("begin\n  1\nend\nbegin\n  x|\nend\n", []),
    "text behind the cursor": ("begin\n  1\nend\nbegin\n| x\nend\n", []),
    "nothing below": ("begin\n  1\nend\nbegin\n|", []),
    "nothing at all": ("|", []),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_drafts_of_blocks(name: str) -> None:
    marked, expected = BLOCKS[name]
    prefix, suffix = marked.split("|")
    assert [each.text for each in look_up_block(prefix, suffix)] == expected


def test_blocks_are_looked_for_in_other_texts() -> None:
    found = look_up_block("begin\n", "\nend\n", ["begin\n  1\nend\n", "begin\n  1\nend\n"])
    assert [(each.text, each.times) for each in found] == [("  1", 2)]


def test_blocks_in_a_megabyte_are_looked_for_in_part() -> None:
    text = "begin\n  1\nend\n" * 80_000
    found = look_up_block(text + "begin\n", "\n" + "end\n" + text)
    assert [each.text for each in found] == ["  1"]
    assert found[0].times < 80_000
