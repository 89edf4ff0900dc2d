"""`infill-ls fill`: one gap of one file."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Annotated, Any

import typer

from engine.api import Alternative, Draft, EngineInfo, Fill, Span
from engine.client import connect
from lsp_server.commands.ask import ask, request_for
from lsp_server.commands.console import terminal
from lsp_server.commands.fault import one_line
from lsp_server.commands.options import Anyway, Device, Factory, MaxTokens, Model, Seed, Steps
from lsp_server.commands.show import all_alike, in_place, summary, watch
from lsp_server.commands.source import check_writable, read_source, replace_content
from lsp_server.gap import Gap, with_lf
from lsp_server.suggest.choose import best_way, ways_to_clean
from lsp_server.syntax.parsing import Parsing

PATIENCE = 2.0  # seconds for the parser


def command(
    path: Annotated[str, typer.Argument(metavar="PATH", help="The source file.")],
    at: Annotated[
        str, typer.Option(metavar="LINE:COL", help="Where the gap is, both from 1, in characters.")
    ],
    to: Annotated[
        str | None,
        typer.Option(metavar="LINE:COL", help="Where it ends: the text up to there is replaced."),
    ] = None,
    model: Model = "embedded",
    device: Device = None,
    steps: Steps = None,
    seed: Seed = 0,
    max_tokens: MaxTokens = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Put the fill into the file.")] = False,
    live: Annotated[
        bool, typer.Option("--watch", help="Show the canvas resolve, coloured by confidence.")
    ] = False,
    anyway: Anyway = False,
    factory: Factory = None,
) -> None:
    """Fill a gap in a file and print it in place; the file changes only with --write."""
    source = read_source(path)
    gap = source.gap(at, to)
    if write:
        check_writable(source)
    request = request_for(
        gap, steps=steps, seed=seed, max_tokens=max_tokens, names=(path,), anyway=anyway
    )

    drafts = LastDraft()
    watching = watch(terminal(stderr=as_json), gap) if live else nullcontext(None)
    with connect.connect(model, device, factory) as engine, watching as show:
        fill, info = ask(engine, request, drafts.and_then(show) if show else None)

    alternatives = fill.alternatives if as_json else ()
    text, *others = settled([fill, *alternatives], gap)
    if as_json:
        found: dict[str, Alternative] = {}
        for other, alternative in zip(others, alternatives, strict=True):
            found.setdefault(other, alternative)
        print(json.dumps(as_object(text, found, fill, info), allow_nan=False))
    else:
        print_fill(gap, with_lf(text), fill, info, drafts.spans_of(with_lf(text)))
    if write:
        replace_content(source, source.filled(gap, text))
        if not as_json:
            print(f"written to {one_line(source.name)}")


class LastDraft:
    """Remembers the last draft, whose spans tell how sure the model was of the fill it became."""

    def __init__(self) -> None:
        self._last: Draft | None = None

    def and_then(self, show: Callable[[Draft], None]) -> Callable[[Draft], None]:
        def take(draft: Draft) -> None:
            self._last = draft
            show(draft)

        return take

    def spans_of(self, text: str) -> tuple[Span, ...] | None:
        if self._last is None or self._last.texts != (text,) or not self._last.confidence:
            return None
        return self._last.confidence[0]


def print_fill(
    gap: Gap, text: str, fill: Fill, info: EngineInfo, spans: tuple[Span, ...] | None
) -> None:
    console = terminal()
    console.print(in_place(gap, text, spans or all_alike(text, fill.confidence)))
    if not text:
        console.print("the model would put nothing here", style="dim")
    console.print(summary(fill, info))


def settled(fills: Sequence[Fill | Alternative], gap: Gap) -> list[str]:
    """The first text of each of `fills` as the server would put it in."""

    async def all_of_them() -> list[str]:
        parsing = Parsing(PATIENCE)
        try:
            tree = gap.tree or await parsing.tree(gap.document)
            parsed = replace(gap, tree=tree)
            ways = [ways_to_clean(each.texts[0], parsed) for each in fills]
            return [(await best_way(each, parsed, parsing))[0].text for each in ways]
        finally:
            parsing.close()

    return asyncio.run(all_of_them())


def as_object(
    text: str, alternatives: dict[str, Alternative], fill: Fill, info: EngineInfo
) -> dict[str, Any]:
    """`text` is what --write puts into the file, its line ends as there; so are the keys of
    `alternatives`."""
    return {
        "text": text,
        "confidence": fill.confidence,
        "steps": fill.steps,
        "seconds": fill.seconds,
        "model": info.model,
        "device": info.device,
        "alternatives": [
            {
                "text": text,
                "score": each.score if math.isfinite(each.score) else None,
                "confidence": each.confidence,
            }
            for text, each in alternatives.items()
        ],
    }
