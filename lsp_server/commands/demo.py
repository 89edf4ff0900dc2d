"""`infill-ls demo`: gaps in real code that the embedded model has never seen, right or wrong.

The files belong to packages that are here because this one needs them, and that the model's corpus
holds out. They are read where they are installed; nothing is copied or changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import metadata, util
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from engine.client import connect
from lsp_server.commands.ask import ask, request_for
from lsp_server.commands.fault import FAILED, CommandError
from lsp_server.commands.fill import terminal
from lsp_server.commands.options import Device, Factory, Model, Seed, Steps
from lsp_server.commands.show import all_alike, in_columns, summary, watch
from lsp_server.commands.source import Source, read_source
from lsp_server.gap import Gap, with_lf
from lsp_server.suggest.clean import clean

SIDE_BY_SIDE = 100  # columns; with less the two panels stand one over the other


@dataclass(frozen=True, slots=True)
class Site:
    """A gap found by what stands around it: it begins after `after`, which the file holds once,
    and ends where `before` follows."""

    distribution: str
    file: str
    what: str
    after: str
    before: str

    def find(self) -> Gap:
        source = self._read()
        text = source.document.text
        start = text.find(self.after) + len(self.after)
        end = text.find(self.before, start)
        if text.count(self.after) != 1 or end == -1:
            raise CommandError(
                f"{self.file} of {self.distribution} {metadata.version(self.distribution)} has no"
                " longer the code this demo hides: install the pinned versions with `make demo`",
                FAILED,
            )
        return source.gap_between(start, end)

    def _read(self) -> Source:
        package, _, inside = self.file.partition("/")
        spec = util.find_spec(package)
        if spec is None or spec.origin is None:
            raise CommandError(f"{self.distribution} is not installed: run `make demo`", FAILED)
        found = read_source(str(Path(spec.origin).parent / inside))
        return replace(found, name=self.file)


SITES = (
    Site(
        "pygls",
        "pygls/workspace/position_codec.py",
        "the rest of a line",
        after='used to encode the given string.\n        """\n        return ',
        before="\n",
    ),
    Site(
        "rich",
        "rich/_pick.py",
        "a few lines",
        after='    assert values, "1 or more values required"\n',
        before="\n    return bool(value)",
    ),
)


def command(
    model: Model = "embedded",
    device: Device = None,
    steps: Steps = None,
    seed: Seed = 0,
    factory: Factory = None,
) -> None:
    """Fill gaps in real code, and show them beside what its authors wrote."""
    gaps = [site.find() for site in SITES]
    console = terminal()
    if not console.is_terminal:
        console.width = max(console.width, SIDE_BY_SIDE)
    same = 0
    with connect.connect(model, device, factory) as engine:
        for number, (site, gap) in enumerate(zip(SITES, gaps, strict=True), 1):
            console.print(Rule(f"{number} of {len(SITES)}: {site.what} in {site.file}"))
            with watch(console, gap) as show:
                # Of packages that anybody can read, wherever they are installed.
                request = request_for(gap, steps=steps, seed=seed, anyway=True)
                fill, info = ask(engine, request, show)
            text = with_lf(clean(fill.texts[0], gap))
            is_same = text.rstrip() == with_lf(gap.replaced).rstrip()
            same += is_same
            console.print(beside_the_original(console, gap, text, fill.confidence, is_same))
            console.print(summary(fill, info), "\n")
    console.print(f"{same} of {len(SITES)} filled exactly as their authors wrote them.")


def beside_the_original(
    console: Console, gap: Gap, text: str, confidence: float, is_same: bool
) -> Table:
    original = Panel(in_columns(gap, with_lf(gap.replaced)), title="as its author wrote it")
    verdict = ("the same", "green") if is_same else ("not the same", "yellow")
    filled = Panel(
        in_columns(gap, text, all_alike(text, confidence)),
        title=Text.assemble("as the model fills it: ", verdict),
    )
    table = Table.grid(expand=True)
    if console.width < SIDE_BY_SIDE:
        table.add_row(original)
        table.add_row(filled)
        return table
    table.add_column(ratio=1)
    table.add_column(ratio=1)
    table.add_row(original, filled)
    return table
