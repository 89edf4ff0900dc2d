"""Screens become a picture that moves: what is visible when."""

from __future__ import annotations

from xml.etree import ElementTree

from tests.editors.neovim.film import HOLD, Cell, Frame, film
from tests.editors.neovim.record import OUT

SVG = "{http://www.w3.org/2000/svg}"


def row(text: str, front: str = "default") -> tuple[Cell, ...]:
    return tuple(Cell(letter, front, "default", bold=False, has_cursor=False) for letter in text)


def test_a_row_is_drawn_once_and_visible_while_it_is_there() -> None:
    frames = [
        Frame(10.0, (row("ab"), row("<>"))),
        Frame(10.5, (row("cd", "ffc0b9"), row("<>"))),
        Frame(60.0, (row("ab"), row("<>"))),  # a pause is cut to one second
    ]
    root = ElementTree.fromstring(film(frames, longest=1.0))
    drawn = root.find(f"{SVG}defs")
    assert drawn is not None
    assert ["".join(each.itertext()) for each in drawn] == ["ab", "cd", "<>"]
    first, second, still = root.findall(f"{SVG}use")
    total = 1.5 + HOLD
    assert still.find(f"{SVG}animate") is None
    for use, values, times, at_last in (
        (first, "visible;hidden;visible", (0, 0.5 / total, 1.5 / total), "visible"),
        (second, "hidden;visible;hidden", (0, 0.5 / total, 1.5 / total), "hidden"),
    ):
        animated = use.find(f"{SVG}animate")
        assert animated is not None
        assert animated.get("values") == values
        keys = [float(each) for each in str(animated.get("keyTimes")).split(";")]
        assert all(abs(key - time) < 1e-3 for key, time in zip(keys, times, strict=True))
        assert animated.get("dur") == f"{total:.2f}s"
        assert use.get("visibility") == at_last  # where nothing moves, the last frame


def test_the_committed_film_is_small_and_names_no_folder_of_its_maker() -> None:
    text = OUT.read_text(encoding="utf-8")
    assert len(text) < 400_000
    assert ElementTree.fromstring(text).findall(f"{SVG}use")
    assert all(mark not in text for mark in ("/home", "/tmp", "/root", "<script"))
