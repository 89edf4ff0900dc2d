"""Indentation that is syntax: a sound file stays one, whatever widths the fill has."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api import Shape
from lsp_server.document import Document
from lsp_server.gap import cut
from lsp_server.suggest.clean import Around, clean
from lsp_server.suggest.clean.levels import fit_to_open_levels

# Sound without a fill, and with a statement in its place.
FILES = [
    "def f(x):\n    ‸\n    return x\n",
    "def f(x):\n    if x:\n        x = 2\n    ‸\n    return x\n",
    "class A:\n    def f(self, x):\n        for y in x:\n            1\n        ‸\n\n    b = 1\n",
    "def f(x):\n    y = 1\n    ‸\n\n\ndef g(): ...\n",
    "def f(x):\n‸\n    return x\n",
    "x = 1\n‸\ny = 2\n",
    "def f(x):\n  ‸\n  return x\n",
    "def f(x):\n\tif x:\n\t\tpass\n\t‸\n\treturn x\n",
    "def f(x):\n    '''Of\n  x'''\n    y = [\n  1]\n    ‸\n    return y\n",
    "def f(x):\n    y = 1 + \\\n  2\n    ‸\n    return y\n",
    "def f(x):  # so:\n    # and\n      # so\n    ‸\n    return x\n",
]
# {i} is where a statement begins, {b} where one does that is deeper.
FILLS = [
    "x += 1",
    "x = 1\n{i}z = 2",
    "if x:\n{b}x = 3",
    "if x:\n{b}x = 3\n{i}else:\n{b}x = 5\n{i}y = 4",
    "y = g(\n{b}x,\n{i})\n{i}z = 1",
    "y = '''\n{b}x:\n{i}'''\n{i}z = 1",
    "for z in x:\n{b}if z:\n{b}  x = 3\n{i}y = 4",
]
LEADS = [*(" " * width for width in range(9)), "\t"]
SHAPES = (Shape.LINE, Shape.BLOCK)


def filled(marked: str, fill: str, shape: Shape, language: str = "python") -> str:
    document = Document("file:///a", 1, language, marked.replace("‸", ""))
    gap = replace(cut(document, marked.index("‸")), shape=shape)
    return gap.prefix + clean(fill, gap) + gap.suffix


@pytest.mark.parametrize("marked", FILES)
@pytest.mark.parametrize("fill", FILLS)
def test_a_sound_file_stays_sound(marked: str, fill: str) -> None:
    compile(marked.replace("‸", ""), "a", "exec")
    for lead in LEADS:
        for width in (0, 3, 4, 5, 8, 9):
            for deeper in (1, 4, 8):
                text = lead + fill.format(i=" " * width, b=" " * (width + deeper))
                for shape in SHAPES:
                    if shape is Shape.LINE and text.split("\n")[0].endswith(":"):
                        continue  # its block is yet to come
                    after = filled(marked, text, shape)
                    try:
                        compile(after, "a", "exec")
                    except IndentationError as error:
                        pytest.fail(f"{text!r} became {after!r}: {error}")
                    except SyntaxError:
                        pass  # a closer may be missing, as in any line of a call alone


@given(
    st.sampled_from(FILES),
    st.lists(
        st.tuples(st.integers(0, 13), st.sampled_from(["a = 1", "# so", "f(a)", "b = [1]"])),
        min_size=1,
        max_size=5,
    ),
)
def test_statements_of_any_width_stand_on_open_levels(
    marked: str, lines: list[tuple[int, str]]
) -> None:
    text = "\n".join(" " * width + line for width, line in lines)
    after = filled(marked, text, Shape.BLOCK)
    compile(after, "a", "exec")


@pytest.mark.parametrize(
    "text", ["# so\n a = 1\na = 1", "    a = 1\na = 1", "    if a:\n        b()\nf(a)"]
)
def test_the_block_that_goes_on_below_is_not_ended(text: str) -> None:
    compile(filled("def f(x):\n‸\n    return x\n", text, Shape.BLOCK), "a", "exec")


# What is right already stays as it is.
KEPT = [
    ("python", "def f():\n    ‸\n", "if a:\n        b()\n    else:\n        c()"),
    ("python", "def f():\n    ‸\n", "if a:\n      b()\n    c()"),
    ("python", "def f():\n    x = g(‸)\n", "a,\n          b"),
    ("python", "def f():\n    '''‸\n    '''\n", "Of\n      x:\n   y"),
    ("python", "if a:\n    b()\n‸\n", "    c()\nd()"),
    ("python", "def f():\n‸\n    return x\n", "    return y\n\n\ndef g(x):"),
    ("python", "def f():\n‸\n    return x\n", "    return y\n\n\ndef g(x):\n    x += 1"),
    ("yaml", "a:\n  b: 1\n  ‸\n", "c:\n    - d\n    - e: 1\n      f: 2"),
    ("yaml", "a: |\n  so\n  ‸\n", "  more\n   still"),
    ("javascript", "f(\n    ‸\n", "  a,\n   b"),
]


@pytest.mark.parametrize(("language", "marked", "fill"), KEPT)
def test_what_stands_right_stays(language: str, marked: str, fill: str) -> None:
    around = Around(*marked.split("‸"), Shape.BLOCK, language=language)
    assert fit_to_open_levels(fill, around) == fill


MOVED = [
    ("python", "def f():\n    x = 1\n    ‸\n", " x += 1", "x += 1"),
    ("python", "if a:\n‸\n", "b()\nc()", "    b()\n    c()"),
    ("starlark", "def f():\n    x = 1\n    ‸\n", "   x += 1", "x += 1"),
    ("yaml", "a:\n  b: 1\n  ‸\n", " c: 2\n   d: 3", "c: 2\n  d: 3"),
    ("yaml", "- a: 1\n  ‸\n", "   b: 2\n   c: 3", "b: 2\n  c: 3"),
    ("coffeescript", "f = ->\n  a()\n  ‸\n", " b()\n   c()", "b()\n  c()"),
    ("haskell", "main = do\n  a\n  ‸\n", " b", "b"),
    ("makefile", "all:\n‸\n", "    echo a", "\techo a"),
]


@pytest.mark.parametrize(("language", "marked", "fill", "moved"), MOVED)
def test_to_the_nearest_open_level(language: str, marked: str, fill: str, moved: str) -> None:
    assert filled(marked, fill, Shape.BLOCK, language) == marked.replace("‸", moved)
