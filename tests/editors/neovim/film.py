"""States of a terminal's screen as one SVG that moves: no script, so that any page may show it.

A row of the screen that looks the same in several frames is drawn once, and is visible while it is
there. Where nothing moves, the last frame is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby, pairwise
from string import hexdigits

WIDTH, HEIGHT, MARGIN, FONT = (
    8.4,
    19,
    10,
    14,
)  # pixels: of a cell, of a row, around all, of a letter
INK, PAPER, CURSOR = "#e0e2ea", "#14161b", "#9b9ea4"
NAMED = {
    "black": "#07080d", "red": "#ffc0b9", "green": "#b3f6c0", "brown": "#fce094",
    "blue": "#a6dbff", "magenta": "#ffcaff", "cyan": "#8cf8f7", "white": "#eef1f8",
}  # fmt: skip
HOLD = 2.5  # seconds that the last frame stays


@dataclass(frozen=True, slots=True)
class Cell:
    """One character; colours as pyte names them."""

    text: str
    front: str
    back: str
    bold: bool
    has_cursor: bool


Row = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """A screen, and when it came, in seconds from anywhere."""

    at: float
    screen: tuple[Row, ...]


def film(frames: Sequence[Frame], longest: float) -> str:
    """The SVG; no frame but the last stays for more than `longest` seconds."""
    gaps = [min(longest, after.at - before.at) for before, after in pairwise(frames)]
    starts = [sum(gaps[:index]) for index in range(len(frames))]
    total = starts[-1] + HOLD
    rows, columns = len(frames[0].screen), len(frames[0].screen[0])
    width, height = columns * WIDTH + 2 * MARGIN, rows * HEIGHT + 2 * MARGIN
    drawn: dict[Row, str] = {}
    shown: list[str] = []
    for number in range(rows):
        seen: dict[Row, list[tuple[float, float]]] = {}
        at = 0
        for row, run in groupby(frame.screen[number] for frame in frames):
            end = at + len(list(run))
            until = starts[end] if end < len(frames) else total
            seen.setdefault(row, []).append((starts[at], until))
            at = end
        for row, times in seen.items():
            painted = drawn.setdefault(row, f"r{len(drawn)}")
            shown.append(_use(painted, MARGIN + number * HEIGHT, times, total))
    definitions = "".join(f'<g id="{name}">{_painted(row)}</g>' for row, name in drawn.items())
    style = f"text{{font:{FONT}px ui-monospace,Menlo,Consolas,monospace;white-space:pre}}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
        f' width="{width:g}" height="{height:g}" fill="{INK}" role="img"'
        ' aria-label="Neovim: two holes resolve together, then ghost text is taken twice">'
        f"<style>{style}</style><defs>{definitions}</defs>"
        f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>{"".join(shown)}</svg>\n'
    )


def _use(name: str, top: float, times: Sequence[tuple[float, float]], total: float) -> str:
    place = f'<use href="#{name}" x="{MARGIN}" y="{top:g}"'
    if times == [(0.0, total)]:
        return f"{place}/>"
    changes = [(0.0, "hidden")]
    for start, end in times:
        if start == 0.0:
            changes.pop()
        changes.append((start / total, "visible"))
        if end < total:
            changes.append((end / total, "hidden"))
    values = ";".join(value for _, value in changes)
    keys = ";".join(f"{time:.4f}".rstrip("0").rstrip(".") for time, _ in changes)
    last = changes[-1][1]
    return (
        f'{place} visibility="{last}"><animate attributeName="visibility" values="{values}"'
        f' keyTimes="{keys}" dur="{total:.2f}s" calcMode="discrete" repeatCount="indefinite"/>'
        "</use>"
    )


def _painted(row: Row) -> str:
    """Rectangles behind what has a colour of its own, then the texts."""
    behind, texts = [], []
    column = 0
    for cell, run in groupby(
        row, key=lambda cell: (cell.front, cell.back, cell.bold, cell.has_cursor)
    ):
        front, back, bold, has_cursor = cell
        text = "".join(each.text for each in run)
        left, wide = column * WIDTH, len(text) * WIDTH
        column += len(text)
        fill = CURSOR if has_cursor else _colour(back, PAPER)
        if fill != PAPER:
            behind.append(
                f'<rect x="{left:.1f}" width="{wide:.1f}" height="{HEIGHT}" fill="{fill}"/>'
            )
        if text.strip():
            weight = ' font-weight="bold"' if bold else ""
            ink = PAPER if has_cursor else _colour(front, INK)
            colour = "" if ink == INK else f' fill="{ink}"'
            texts.append(
                f'<text x="{left:.1f}" y="{FONT}" textLength="{wide:.1f}"{colour}{weight}>'
                f"{escape(text, quote=False)}</text>"
            )
    return "".join(behind + texts)


def _colour(name: str, default: str) -> str:
    if name == "default":
        return default
    if len(name) == 6 and all(each in hexdigits for each in name):
        return f"#{name}"
    return NAMED.get(name.removeprefix("bright"), default)
