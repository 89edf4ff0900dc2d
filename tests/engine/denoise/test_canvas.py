"""Where pinned tokens and holes lie on a canvas, and that writing holes leaves the rest alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.denoise.canvas import Canvas, Hole, Layout, fill_hole, lay_out

PAD, EOS = 0, 1


@dataclass(frozen=True, slots=True)
class Case:
    """Pieces as letters; the expected canvas shows holes as `_`, <eos> as `$`, padding as `.`."""

    name: str
    head: str
    suffix: str
    lengths: tuple[int, ...]
    width: int
    expected: str | None
    between: tuple[str, ...] = ()
    end_of_text: bool = False
    eos: int | None = EOS
    holes: list[tuple[int, int]] = field(default_factory=list)


CASES = [
    Case("one hole", "ab", "yz", (3,), 8, "ab___yz.", holes=[(2, 5)]),
    Case("two holes", "a", "z", (2, 1), 7, "a__m_z.", between=("m",), holes=[(1, 3), (4, 5)]),
    Case("three, of one length", "", "z", (1, 1, 1), 6, "_mm_n_", between=("mm", "n")),
    Case("nothing between", "a", "z", (1, 2), 5, "a___z", between=("",), holes=[(1, 2), (2, 4)]),
    Case("the suffix is cut at the width", "ab", "vwxyz", (2,), 6, "ab__vw"),
    Case("no room for the suffix", "ab", "yz", (2,), 4, "ab__"),
    Case("no room for the hole", "ab", "yz", (3,), 4, None),
    Case("no room for the second hole", "a", "", (1, 2), 5, None, between=("mn",)),
    Case("no room between", "a", "", (1, 1), 4, None, between=("lmnop",)),
    Case("the text ends", "a", "z", (1,), 7, "a_z$...", end_of_text=True),
    Case("it ends in the hole", "a", "", (1,), 4, "a_$.", end_of_text=True),
    Case("it ends at the width", "a", "z", (1,), 3, "a_z", end_of_text=True),
    Case("it ends past the width", "a", "xyz", (1,), 4, "a_xy", end_of_text=True),
    Case("it ends, there is no <eos>", "a", "z", (1,), 5, "a_z..", end_of_text=True, eos=None),
    Case("nothing but the hole", "", "", (2,), 2, "__", holes=[(0, 2)]),
]


def ids(text: str) -> list[int]:
    return [{".": PAD, "_": PAD, "$": EOS}.get(letter, ord(letter)) for letter in text]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_layout(case: Case) -> None:
    layout = lay_out(
        ids(case.head),
        [ids(text) for text in case.between],
        ids(case.suffix),
        case.lengths,
        case.width,
        eos=case.eos,
        pad=PAD,
        end_of_text=case.end_of_text,
    )
    if case.expected is None:
        assert layout is None
        return
    assert layout is not None
    assert list(layout.ids) == ids(case.expected)
    assert layout.width == case.width
    assert [len(hole) for hole in layout.holes] == list(case.lengths)
    opened = [at for hole in layout.holes for at in range(*hole.span)]
    assert opened == [at for at, letter in enumerate(case.expected) if letter == "_"]
    if case.holes:
        assert [hole.span for hole in layout.holes] == case.holes


@pytest.mark.parametrize("span", [(3, 3), (4, 3), (-1, 2)])
def test_a_hole_has_a_position(span: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="a hole needs a position"):
        Hole(*span)


@st.composite
def layouts(draw: st.DrawFn, width: int) -> Layout:
    """Holes anywhere on a canvas, its pinned ids all above 100."""
    opened = draw(st.lists(st.booleans(), min_size=width, max_size=width).filter(any))
    holes = [Hole(at, at + 1) for at in range(width) if opened[at]]
    return Layout(tuple(100 + at for at in range(width)), tuple(holes))


@given(st.data())
def test_write_and_read(data: st.DataObject) -> None:
    """Rows with holes of any lengths: what is written is read, and pinned ids stay."""
    width = data.draw(st.integers(1, 9))
    rows = data.draw(st.lists(layouts(width), min_size=1, max_size=4))
    canvas = Canvas.of(rows, torch.device("cpu"))
    tokens = torch.randint(1, 99, canvas.places.shape)
    # What stands at spare places must not get out, not even a poisonous value.
    written = canvas.write(torch.where(canvas.real, tokens, -7))
    assert torch.equal(written.read()[canvas.real], tokens[canvas.real])
    for row, layout in enumerate(rows):
        opened = [at for hole in layout.holes for at in range(*hole.span)]
        assert canvas.real[row].sum() == len(opened)
        assert canvas.places[row, : len(opened)].tolist() == opened
        expected = list(layout.ids)
        for at, token in zip(opened, tokens[row].tolist(), strict=False):
            expected[at] = token
        assert written.ids[row].tolist() == expected
    assert torch.equal(written.write(written.read()).ids, written.ids)
    keep = torch.tensor([data.draw(st.booleans()) for _ in rows])
    kept = written.rows(keep)
    assert torch.equal(kept.ids, written.ids[keep])
    assert torch.equal(kept.read(), written.read()[keep])


@pytest.mark.parametrize(
    ("tokens", "slack", "expected"),
    [
        ([7, 8, 5, 5], 5, [7, 8]),
        ([7, 5, 8, 5], 5, [7, 8]),
        ([5, 5], 5, []),
        ([7, 5, 8], None, [7, 5, 8]),
        ([], 5, []),
    ],
)
def test_slack_leaves_a_hole(tokens: list[int], slack: int | None, expected: list[int]) -> None:
    assert fill_hole(tokens, slack) == expected
