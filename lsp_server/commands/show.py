"""What a terminal shows of a gap: the fill among its lines, and the canvas while it resolves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.style import Style
from rich.text import Text

from engine.api import Draft, EngineInfo, Fill, Span
from lsp_server.commands.fault import visible
from lsp_server.gap import Gap, with_lf
from lsp_server.settings import Settings

AROUND = 3  # lines shown on either side
FRAME = 0.07  # seconds a draft stays at least, so that an eye can follow; the engine does not wait
FILLED = Style(color="green", bold=True)
UNSURE = Style(dim=True, italic=True)


def summary(fill: Fill, info: EngineInfo) -> Text:
    steps = "1 step" if fill.steps == 1 else f"{fill.steps} steps"
    match info.confidence:
        case "unknown":
            confidence = "confidence unknown"
        case "not calibrated":
            confidence = f"confidence {fill.confidence:.2f}, not calibrated"
        case _:
            low = Settings().min_confidence
            confidence = f"confidence {fill.confidence:.2f}"
            if fill.confidence < low:
                confidence += f" (low: an editor shows it unasked only from {low:.2f} on)"
    way = f", by {info.way}" if info.way else ""
    return Text(
        f"{confidence} · {steps} · {fill.seconds:.2f} s · {info.model} on {info.device}{way}",
        style="dim",
    )


def in_place(gap: Gap, text: str, spans: Sequence[Span] | None = None) -> Text:
    """`text` in the gap with the lines around it; `spans` colour it by confidence."""
    return Text("\n").join(Text.assemble(*row) for row in _rows(gap, text, spans))


def _rows(gap: Gap, text: str, spans: Sequence[Span] | None) -> Iterator[tuple[Text, Text, Text]]:
    """Number, bar and content of each line shown."""
    before, after = with_lf(gap.prefix).split("\n"), with_lf(gap.suffix).split("\n")
    if len(after) > 1 and after[-1] == "":
        after.pop()  # no line: the end of the last one
    first = max(1, len(before) - AROUND)
    whole = Text.assemble(
        (visible("\n".join(before[first - 1 :])), "dim"),
        painted(text, spans),
        (visible("\n".join(after[: AROUND + 1])), "dim"),
    )
    lines = whole.split("\n", allow_blank=True)
    filled = range(len(before), len(before) + text.count("\n") + 1)
    width = len(str(first + len(lines)))
    for number, line in enumerate(lines, first):
        line.expand_tabs(4)
        bar = Text("▌ ", FILLED) if number in filled else Text("│ ", "dim")
        yield Text(f"{number:>{width}} ", "dim"), bar, line


def all_alike(text: str, confidence: float) -> tuple[Span, ...]:
    """One confidence for the whole of a text, where it is not known in parts."""
    return (Span(0, len(text), confidence),)


def painted(text: str, spans: Sequence[Span] | None = None) -> Text:
    """A fill on its own: every character by its span's confidence, or all alike without spans."""
    if spans is None:
        return Text(visible(text), style=FILLED)
    shown = Text(visible(text), style=UNSURE)
    for span in spans:
        shown.stylize(shade(span.confidence), span.start, span.end)
    return shown


def shade(confidence: float) -> Style:
    """Red at 0, yellow at one half, green at 1."""
    share = min(1.0, max(0.0, confidence))
    red, green = min(1.0, 2 - 2 * share), min(1.0, 2 * share)
    return Style(
        color=f"rgb({70 + round(170 * red)},{70 + round(140 * green)},80)",
        bold=share > 0.5,
        italic=False,
        dim=False,
    )


@contextmanager
def watch(console: Console, gap: Gap) -> Iterator[Callable[[Draft], None]]:
    """Yields what takes the drafts. In a terminal one view is redrawn; elsewhere a line a step."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield _plain_watch(console)
        return
    shown_at = 0.0
    waiting = Spinner("dots", Text("the model loads and reads the file"))
    with Live(waiting, console=console, transient=True, refresh_per_second=30) as live:

        def show(draft: Draft) -> None:
            nonlocal shown_at
            time.sleep(max(0.0, shown_at + FRAME - time.monotonic()))
            shown_at = time.monotonic()
            spans = draft.confidence[0] if draft.confidence else None
            live.update(Group(_progress(draft), in_place(gap, draft.texts[0], spans)))

        yield show


def _progress(draft: Draft) -> Text:
    done = round(20 * draft.step / max(1, draft.of))
    return Text.assemble(
        ("━" * done, "cyan"), ("━" * (20 - done), "dim"), f" step {draft.step} of {draft.of}"
    )


def _plain_watch(console: Console) -> Callable[[Draft], None]:
    last: str | None = None

    def show(draft: Draft) -> None:
        nonlocal last
        text = draft.texts[0]
        if text != last:
            last = text
            line = visible(text).replace("\n", "⏎")
            console.print(Text(f"step {draft.step:>2} of {draft.of}: {line}"), soft_wrap=True)

    return show
