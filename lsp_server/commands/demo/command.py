"""The command: a walk through real files, one canvas live, two holes at once, one fill by hand."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from engine.api import Alternative, Fill, FillRequest
from engine.client import connect
from engine.client.connect import HostEngine
from engine.evaluation.pauses import Heard
from lsp_server.commands.ask import ask, request_for
from lsp_server.commands.bench.typist import meeting_alone
from lsp_server.commands.console import terminal
from lsp_server.commands.demo.places import Places, draw_places
from lsp_server.commands.fill import settled
from lsp_server.commands.options import Device, Factory, Model, Steps
from lsp_server.commands.pauses import UNASKED, walk
from lsp_server.commands.show import all_alike, in_place, painted, shade, summary, watch
from lsp_server.gap import Gap, with_lf
from lsp_server.secrets import cleared

PAUSES = 40
SECONDS = 25.0  # the walk ends after them, and counts the pauses that it came to
SHOWN = 3  # suggestions that are printed, and silences
CANDIDATES = 5


def command(
    model: Model = "embedded",
    device: Device = None,
    steps: Steps = None,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Draws the places; the same N, the same places.")
    ] = 0,
    factory: Factory = None,
) -> None:
    """Walk real files as somebody types them, and show what would be offered and what not."""
    places = draw_places(PAUSES, seed)
    console = terminal()
    console.print(
        f"The places are drawn by --seed {seed} from {places.files} files that the model was"
        " neither trained on nor fitted to.\n",
        style="dim",
    )
    with meeting_alone():
        with console.status("the model loads") as status:
            engine = connect.connect(model, device, factory)
        with engine:
            with console.status("typing") as status:
                heard = walk(
                    places.pauses,
                    (model, device, factory),
                    ways=(UNASKED,),
                    seconds=SECONDS,
                    on_pause=lambda number: status.update(f"typing: pause {number} of {PAUSES}"),
                )[UNASKED]
            print_walk(console, heard)
            print_canvas(console, engine, places.live, steps, seed)
            print_holes(console, engine, places, steps, seed)
            print_by_hand(console, engine, places.by_hand, steps, seed)


def print_walk(console: Console, heard: list[Heard]) -> None:
    console.print(Rule("1. ghost text, while a file is typed"))
    spoken = [each for each in heard if each.spoken]
    for each in [*spoken[:SHOWN], *[each for each in heard if not each.spoken][:SHOWN]]:
        console.print(_pause_line(each), soft_wrap=True)
    exact, close = sum(each.exact for each in spoken), sum(each.similar for each in spoken)
    if len(heard) < PAUSES:
        console.print(f"\nIn {SECONDS:g} s it came to {len(heard)} of the {PAUSES} pauses drawn.")
    console.print(
        f"\nOf {len(heard)} pauses it spoke at {len(spoken)}: {exact} were what the author wrote,"
        f" {close} nearly, {len(spoken) - exact - close} something else."
        f" At {len(heard) - len(spoken)} it showed nothing: it had nothing, or its confidence"
        " was under the threshold.\n"
    )


def _pause_line(heard: Heard) -> Text:
    before = heard.pause.prefix.rsplit("\n", 1)[-1][-60:]
    wanted = heard.pause.wanted.split("\n")[0]
    if heard.text is None:
        return Text.assemble(("  silent   ", "dim"), before, ("▏", "bold"), (wanted, "dim"))
    first, *more = with_lf(heard.text).split("\n")
    mark, style = ("exact  ", "green") if heard.exact else ("nearly ", "yellow")
    if heard.wrong:
        mark, style = "other  ", "red"
    rest = f" (+{len(more)} lines)" if more else ""
    written = "" if heard.exact else f"   (the author: {wanted})"
    return Text.assemble(f"  {mark}  ", before, (first + rest, style), (written, "dim"))


def print_canvas(
    console: Console, engine: HostEngine, gap: Gap, steps: int | None, seed: int
) -> None:
    console.print(Rule(f"2. a gap in {gap.document.path}, live"))
    with watch(console, gap) as show:
        # Of packages that anybody can read, wherever they are installed.
        request = request_for(gap, steps=steps, seed=seed, anyway=True)
        fill, info = ask(engine, request, show)
    text, *_ = settled([fill], gap)
    console.print(in_place(gap, with_lf(text), all_alike(with_lf(text), fill.confidence)))
    console.print(verdict(text, gap.replaced), summary(fill, info), "")


def print_holes(
    console: Console, engine: HostEngine, places: Places, steps: int | None, seed: int
) -> None:
    console.print(Rule(f"3. two holes of a function in {places.name}, filled together"))
    request = FillRequest(
        texts=places.around, language="python", path=f"/{places.name}", steps=steps, seed=seed
    )
    with console.status("filling"):
        fill, info = ask(engine, cleared(request, (), anyway=True))
    before, between, after = places.around
    head = before[before.rindex("def ") :] if "def " in before else before[-200:]
    texts = [text.split("\n")[0].strip() for text in fill.texts]
    shown = Text.assemble(
        *(head, painted(texts[0], all_alike(texts[0], fill.confidence))),
        *(between, painted(texts[1], all_alike(texts[1], fill.confidence))),
        after.split("\n")[0],
    )
    console.print(shown)
    console.print(verdict("; ".join(texts), "; ".join(places.written)), summary(fill, info), "")


def print_by_hand(
    console: Console, engine: HostEngine, gap: Gap, steps: int | None, seed: int
) -> None:
    console.print(Rule(f"4. a fill by hand in {gap.document.path}, and its candidates"))
    with console.status("filling"):
        fill, info = ask(engine, request_for(gap, steps=steps, seed=seed, anyway=True))
    candidates: dict[str, Fill | Alternative] = {}
    found: list[Fill | Alternative] = [fill, *fill.alternatives]
    for text, each in zip(settled(found, gap), found, strict=True):
        candidates.setdefault(with_lf(text), each)
    line = gap.prefix.rsplit("\n", 1)[-1].lstrip()
    for text, each in list(candidates.items())[:CANDIDATES]:
        first, *more = (text or "(nothing)").split("\n")
        rest = f" (+{len(more)} lines)" if more else ""
        percent = f"{each.confidence:5.0%}  "
        console.print(
            Text.assemble(percent, line, (first + rest, shade(each.confidence))), soft_wrap=True
        )
    first = next(iter(candidates))
    console.print(verdict(first, gap.replaced), summary(fill, info))


def verdict(text: str, written: str) -> Text:
    if with_lf(text).strip() == with_lf(written).strip():
        return Text("what its author wrote", "green")
    return Text.assemble(("its author wrote: ", "yellow"), with_lf(written).strip())
