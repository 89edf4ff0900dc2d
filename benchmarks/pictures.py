"""Pictures of real fills for docs/how-a-fill-is-produced.md, as SVG.

    python -m benchmarks.pictures            writes docs/images/fill-*.svg

The model that ships fills the gaps below with a fixed seed; what it lays out, writes and ranks is
drawn as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from engine.api import Draft, Fill, FillRequest, Shape, Span
from engine.denoise.canvas import Layout
from engine.fill.infill import LocalEngine
from engine.fill.lengths import hole_lengths, largest_hole, lay_out_candidates
from engine.fill.load import load_engine
from engine.fill.prompt import build_prompt
from engine.fill.writable import Writable

OUT = Path(__file__).parents[1] / "docs" / "images"
TOGETHER = '''class Account:
    """What somebody has in a bank."""

    def __init__(self, owner, balance=0):
        self.owner = owner
        self.balance = ???

    def deposit(self, amount):
        if amount <= 0:
            raise ???
        self.balance += amount

    def withdraw(self, amount):
        if amount <= 0:
            raise ValueError("amount must be positive")
        self.balance -= amount
'''
ALONE = TOGETHER.replace("???", "balance", 1)
WIDTH, ROW, LETTER, FONT = 760, 20, 7.4, 12
INK, QUIET, PAPER, PINNED = "#24272b", "#6a7079", "#ffffff", "#dcdad4"
SHADES = ("#e2604a", "#e8913c", "#d9b22f", "#9bb83a", "#3f9b5a")  # from low confidence to high
MOST_TOKENS = 60  # of a canvas, so that it fits


def main() -> None:
    engine = load_engine("embedded", "cpu")
    request = request_of(ALONE)
    drafts: list[Draft] = []
    fill = engine.fill(request, drafts.append)
    write("fill-lengths", lengths(engine, request))
    write("fill-steps", steps(drafts))
    write("fill-candidates", candidates(fill))
    drafts = []
    engine.fill(request_of(TOGETHER), drafts.append)
    first = next((i for i, draft in enumerate(drafts[1:], 1) if draft.step == 1), len(drafts))
    write("fill-together", steps(drafts[:first]))


def request_of(text: str) -> FillRequest:
    return FillRequest(tuple(text.split("???")), language="python", shape=Shape.LINE)


def lengths(engine: LocalEngine, request: FillRequest) -> list[str]:
    """A row for each canvas of the batch: grey what is pinned, open what is not."""
    profile, tokenizer = engine.profile, engine.tokenizer
    vocabulary = Writable(
        tokenizer, engine.model.config.vocab_size, profile, engine.model.device
    ).vocabulary
    prompt = build_prompt(request.texts, tokenizer, profile, vocabulary)
    found = hole_lengths(request, profile, prompt, request.shape, [])
    largest = largest_hole(request, profile, prompt, request.shape, found)
    rows = []
    for number, layout in enumerate(lay_out_candidates(prompt, profile, found, largest)):
        hole = layout.holes[0]
        rows += label(0, number, f"{len(hole)} open")
        rows += cells(layout, number)
    return rows


def cells(layout: Layout, number: int) -> Iterable[str]:
    cell = (WIDTH - 90) / MOST_TOKENS
    hole = layout.holes[0]
    for place in range(min(MOST_TOKENS, layout.width)):
        is_open = hole.start <= place < hole.end
        colour = SHADES[1] if is_open else PINNED
        yield rectangle(90 + place * cell, number * ROW + 3, cell - 1, ROW - 6, colour)


def steps(drafts: Sequence[Draft]) -> list[str]:
    """A row for each step: the text of each hole, coloured by the model's confidence in it."""
    holes = range(len(drafts[0].texts))
    longest = [max(len(shown(draft.texts[hole])) for draft in drafts) for hole in holes]
    rows = []
    for number, draft in enumerate(drafts):
        rows += label(0, number, f"step {draft.step}")
        left = 64.0
        for hole in holes:
            spans = draft.confidence[hole] if draft.confidence else ()
            rows += coloured(left, number, shown(draft.texts[hole]), spans)
            left += LETTER * (longest[hole] + 3)
    return rows


def coloured(left: float, number: int, text: str, spans: Sequence[Span]) -> Iterable[str]:
    for span in spans:
        shade = SHADES[min(len(SHADES) - 1, int(span.confidence * len(SHADES)))]
        wide = LETTER * (span.end - span.start)
        box = left + LETTER * span.start, number * ROW + 2
        yield rectangle(*box, wide, ROW - 4, shade, opacity=0.45)
    yield letters(left, number, text, INK)


def candidates(fill: Fill) -> list[str]:
    """A row for each candidate, best first: its probability as a bar, and its text."""
    rows = []
    for number, each in enumerate(fill.alternatives[:8]):
        rows += label(0, number, f"{each.confidence:.0%}")
        rows.append(rectangle(44, number * ROW + 4, 150 * each.confidence, ROW - 8, SHADES[4]))
        rows.append(letters(204, number, shown(each.texts[0]) or "(nothing)", INK))
    return rows


def shown(text: str) -> str:
    return text.replace("\n", "⏎")[:88]


def label(left: float, number: int, text: str) -> list[str]:
    return [letters(left, number, text, QUIET)]


def letters(left: float, number: int, text: str, colour: str) -> str:
    return (
        f'<text x="{left:.1f}" y="{number * ROW + 14}" fill="{colour}"'
        f' textLength="{LETTER * len(text):.1f}">{escape(text, quote=False)}</text>'
    )


def rectangle(
    left: float, top: float, wide: float, high: float, colour: str, opacity: float = 1.0
) -> str:
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{max(wide, 0.5):.1f}" height="{high:.1f}"'
        f' rx="2" fill="{colour}" fill-opacity="{opacity:g}"/>'
    )


def write(name: str, drawn: Sequence[str]) -> None:
    tops = [float(each.partition(' y="')[2].partition('"')[0]) for each in drawn]
    height = max(tops) + ROW
    style = f"text{{font:{FONT}px ui-monospace,Menlo,Consolas,monospace;white-space:pre}}"
    path = OUT / f"{name}.svg"
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 -8 {WIDTH + 20} {height + 12:g}"'
        f' width="{WIDTH + 20}" height="{height + 12:g}"><style>{style}</style>'
        f'<rect x="-10" y="-8" width="100%" height="100%" rx="6" fill="{PAPER}"/>'
        f"{''.join(drawn)}</svg>\n",
        encoding="utf-8",
    )
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
