"""A fill found again: typed into, deleted back to, accepted in parts, with brackets closed."""

from __future__ import annotations

import pytest

from lsp_server.acceptance import Outcome
from lsp_server.document import Document
from lsp_server.suggest.cache import MOST, Cache
from lsp_server.suggest.feedback import SEEN, Feedback
from lsp_server.suggest.history import Edit, History

URI = "file:///a.py"


def document(text: str, version: int = 1, uri: str = URI) -> Document:
    return Document(uri, version, "python", text)


# The file when `fill` was stored at ‸, the fill, the file now, and what is found: the text, then
# what of the rest of the line it replaces.
LOOKS: list[tuple[str, str, str, tuple[str, str] | None]] = [
    ("x = ‸\n", "late", "x = ‸\n", ("late", "")),
    ("x = ‸\n", "late", "x = l‸\n", ("ate", "")),
    ("x = ‸\n", "late", "x = lat‸\n", ("e", "")),
    ("x = ‸\n", "late", "x = late‸\n", None),
    ("x = ‸\n", "late", "x = x‸\n", None),
    ("x = ‸\n", "late", "x =‸ \n", None),
    ("x = ‸\n", "late", "y = ‸\n", None),
    ("x = ‸\n", "late", "x = ‸\ny\n", None),
    ("x = ‸\n", "foo(a, b)", "x = foo(‸\n", ("a, b)", "")),
    ("x = ‸\n", "foo(a, b)", "x = foo(‸)\n", ("a, b)", ")")),
    ("x = ‸\n", "foo(a, b)", "x = foo(a‸)\n", (", b)", ")")),
    ("x = ‸\n", "foo(a, b)", "x = foo(a, b‸)\n", None),
    ("x = ‸\n", "foo(a, b)", "x = foo(‸]\n", None),
    ("x = ‸\n", "foo([1, 2])", "x = foo([‸])\n", ("1, 2])", "])")),
    ("x = ‸\n", "foo([1], 2)", "x = foo([1]‸)\n", (", 2)", ")")),
    ("x = ‸\n", "open('a.txt')", "x = open('‸')\n", ("a.txt')", "')")),
    ("x = ‸\n", "{'a': 1}", "x = {'‸'}\n", ("a': 1}", "'}")),
    ("f(‸)\n", "a, b)", "f(‸)\n", ("a, b)", ")")),
    ("f(‸)\n", "a, b)", "f(a‸)\n", (", b)", ")")),
    ("f(‸)\n", "g(a))", "f(g(‸))\n", ("a))", "))")),
    ("if x:\n    ‸\n", "a = 1\n    b = 2", "if x:\n    a = 1\n‸\n", ("    b = 2", "")),
    ("if x:\n    ‸\n", "a = 1\n    b = 2", "if x:\n    a = 1\n    ‸\n", ("b = 2", "")),
]


def test_what_a_notebooks_other_cells_say_is_a_part_of_the_key() -> None:
    cache, here = Cache(), document("x = \n")
    cache.store(here, 4, "old", 1.0, outside=1)
    assert cache.look(here, 4, outside=2) is None
    cache.store(here, 4, "new", 1.0, outside=2)
    found = [cache.look(here, 4, outside) for outside in (1, 2)]
    assert [hit and hit.text for hit in found] == ["old", "new"]


@pytest.mark.parametrize(("stored", "fill", "now", "found"), LOOKS)
def test_look(stored: str, fill: str, now: str, found: tuple[str, str] | None) -> None:
    cache = Cache()
    cache.store(document(stored.replace("‸", "")), stored.index("‸"), fill, 1.0)
    here, offset = document(now.replace("‸", ""), 2), now.index("‸")
    hit = cache.look(here, offset)
    if found is None:
        assert hit is None
        return
    assert hit is not None
    assert (hit.text, here.text[offset : offset + hit.covers]) == found
    after = here.text[:offset] + hit.text + here.text[offset + hit.covers :]
    at = stored.index("‸")
    accepted = stored[:at] + fill + stored[at + 1 :]
    assert after in (accepted, accepted.replace("))\n", ")\n")), "not what was shown at first"


def test_every_prefix_of_a_fill_finds_the_rest_of_it() -> None:
    cache, fill = Cache(), "foo(a[1], {'k': v})"
    cache.store(document("x = \n"), 4, fill, 1.0)
    for typed in range(len(fill)):
        hit = cache.look(document(f"x = {fill[:typed]}\n", typed + 2), 4 + typed)
        assert hit is not None
        assert hit.text == fill[typed:]
        assert hit.covers == 0


def test_what_is_shown_goes_before_what_is_newer() -> None:
    cache, here = Cache(), document("x = \n")
    entry = cache.store(here, 4, "first", 1.0)
    cache.show(entry)
    cache.store(document("x = f\n"), 5, "ull", 1.0)
    hit = cache.look(document("x = f\n"), 5)
    assert hit is not None
    assert hit.text == "irst"
    cache.hide(URI)
    newer = cache.look(document("x = f\n"), 5)
    assert newer is not None
    assert newer.text == "ull"


def test_it_stays_small_and_forgets() -> None:
    cache = Cache()
    for number in range(MOST + 50):
        cache.store(document("x" * number), number, "fill", 1.0)
    assert len(cache._entries) == MOST
    assert cache.look(document(""), 0) is None
    assert cache.look(document("x" * MOST), MOST) is not None
    assert cache.look(document("x" * MOST, uri="file:///b.py"), MOST) is None
    cache.forget(URI)
    assert not cache._entries


# The file with "foo(a)" shown at ‸, how long it is seen, the file after each edit, and what each of
# them is taken for.
A, P, T, R = Outcome.ACCEPTED, Outcome.PARTLY_ACCEPTED, Outcome.TYPED, Outcome.REJECTED
TAKEN: list[tuple[str, float, list[str], list[Outcome | None]]] = [
    ("x = ‸\n", 1.0, ["x = foo(a)\n"], [A]),
    ("x = ‸\n", 0.0, ["x = foo(a)\n"], [A]),
    ("x = ‸\n", 1.0, ["x = foo\n", "x = foo(a)\n"], [P, A]),
    ("x = ‸\n", 1.0, ["x = f\n", "x = fo\n"], [None, None]),
    ("x = ‸\n", 1.0, ["x = foo(a\n", "x = foo(a)\n"], [P, T]),
    ("x = ‸\n", 1.0, ["x = foo\n", "x = foo()\n"], [P, None]),
    ("x = ‸\n", 1.0, ["x = g\n"], [R]),
    ("x = ‸\n", 0.1, ["x = g\n"], [None]),
    ("x = ‸\n", 1.0, ["x = f\n", "x = \n"], [None, None]),
    ("x = ‸\n", 1.0, ["x =\n", "x =5\n"], [None, None]),
    ("x = ‸\n\n\n", 1.0, ["x = \n\n\nend\n", "x = g\n\n\nend\n"], [None, None]),
    ("x = ‸\n", 1.0, ["x = fg\n"], [R]),
]


@pytest.mark.parametrize(("marked", "seen", "texts", "outcomes"), TAKEN)
def test_what_becomes_of_it(
    marked: str, seen: float, texts: list[str], outcomes: list[Outcome | None]
) -> None:
    feedback, history = Feedback(), History()
    before, offset = document(marked.replace("‸", "")), marked.index("‸")
    history.opened(before)
    feedback.show(before, offset, "foo(a)", 10.0)
    got = []
    for version, text in enumerate(texts, 2):
        after = document(text, version)
        edit = history.changed(before, after, 10.0 + seen)
        assert isinstance(edit, Edit)
        got.append(feedback.changed(after, edit))
        before = after
    assert got == outcomes
    first = document(marked.replace("‸", ""))
    assert feedback.was_rejected(first, offset, "foo(a)") is (R in outcomes)
    assert not feedback.was_rejected(first, offset, "bar(a)")
    assert not feedback.was_rejected(document("y" + first.text), offset + 1, "foo(a)")


def test_what_is_typed_into_is_rejected_wherever_it_was_seen() -> None:
    feedback = Feedback()
    feedback.show(document("x = \n"), 4, "foo(a)", 10.0)
    feedback.show(document("x = f\n"), 5, "oo(a)", 10.0 + SEEN)
    edit = Edit(5, "", "z", 10.1 + SEEN)
    assert feedback.changed(document("x = fz\n"), edit) is R
    assert feedback.was_rejected(document("x = \n"), 4, "foo(a)")
    assert feedback.was_rejected(document("x = f\n"), 5, "oo(a)")
