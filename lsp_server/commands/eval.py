"""`infill-ls eval`: how well a model fills the gaps of a suite that you bring."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from engine.api import EngineError
from engine.evaluation.items import BadData
from engine.evaluation.suites import REPOSITORIES, SUITES
from lsp_server import child, secrets
from lsp_server.commands import around, grammatical, pauses
from lsp_server.commands.console import terminal
from lsp_server.commands.fault import FAILED, USAGE, CommandError, engine_fault
from lsp_server.commands.options import Anyway, Device, Factory, Model, Seed, Steps
from lsp_server.settings import Settings

PARSER = f"{grammatical.__name__}:{grammatical.parses.__name__}"
EDITOR = f"{grammatical.__name__}:{grammatical.put_in.__name__}"
TYPING = "typing"  # the one suite that goes through the language server
KNOWN = (*SUITES, TYPING)
AROUND = f"{around.__name__}:{around.around.__name__}"
CALIBRATED = ("searched", "checked")  # what a confidence is of
COLUMNS = (
    TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
)  # fmt: skip
WITHOUT = f"{secrets.__name__}:{secrets.is_secret.__name__}"
RATES = {
    "pass@1": "pass@1",
    "exact": "exact",
    "similarity": "edit similarity",
    "repeats_suffix": "repeats suffix",
    "parse_errors": "parse errors",
    "breaks": "breaks a sound file",
    "shown": "shown unasked",
    "shown_exact": "exact of those shown",
}


def command(
    suite: Annotated[
        str, typer.Argument(metavar="SUITE", help=f"One of {', '.join((*SUITES, TYPING))}.")
    ],
    data: Annotated[
        str, typer.Option(metavar="FILE", help="The suite's data; a folder of source files.")
    ],
    model: Model = "embedded",
    device: Device = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only N items, the same each time.")
    ] = None,
    steps: Steps = None,
    seed: Seed = 0,
    execute: Annotated[
        bool,
        typer.Option(
            "--execute", help="Run what the model wrote with the suite's tests, in a sandbox."
        ),
    ] = False,
    context_tokens: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Tokens of the prompt for other files; else the model's own."
        ),
    ] = None,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Fit the model's confidence to your files, and keep it for use; any --model, a"
            " server's address too.",
        ),
    ] = False,
    ways: Annotated[
        list[str] | None,
        typer.Option(
            "--way", metavar="WAY", help=f"Of {REPOSITORIES}: only {', '.join(around.WAYS)}."
        ),
    ] = None,
    results: Annotated[
        str | None, typer.Option(metavar="FILE", help="Keep the answers there.")
    ] = None,
    anyway: Anyway = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    factory: Factory = None,
) -> None:
    """Measure a model on HumanEval-Infilling, SantaCoder-FIM or your own files.

    The data are yours to bring. The same command goes on where a run was ended.
    """
    if suite == TYPING:
        heard = listen(Path(data), model, device, factory, limit, seed, anyway=anyway)
        if as_json:
            print(json.dumps(heard))
        else:
            for way, rows in heard["report"].items():
                terminal().print(as_table_of_pauses(way, rows), "")
        return
    if suite not in SUITES:
        raise CommandError(f"there is no suite {suite}: choose one of {', '.join(KNOWN)}", USAGE)
    arguments = [suite, "--data", data, "--model", model, "--seed", str(seed)]
    arguments += ["--parser", PARSER, "--editor", EDITOR, "--gate", str(Settings().min_confidence)]
    for option, value in {
        "--device": device, "--limit": limit, "--steps": steps, "--results": results,
        "--context-tokens": context_tokens,
    }.items():  # fmt: skip
        if value is not None:
            arguments += [option, str(value)]
    if suite == REPOSITORIES:
        arguments += ["--around", AROUND, "--methods", *(ways or around.WAYS)]
    elif ways:
        raise CommandError(f"only the suite {REPOSITORIES} has ways to choose from", USAGE)
    if not anyway:
        arguments += ["--without", WITHOUT]
    if execute:
        arguments.append("--execute")
    if calibrate:
        arguments.append("--calibrate")
    found = evaluate(arguments)
    if as_json:
        print(json.dumps(found))
        return
    console = terminal()
    if "calibrated" in found:
        console.print(calibrated_in_words(found["calibrated"]), soft_wrap=True)
        return
    for table in as_tables(found["report"]):
        console.print(table, "")
    for row in found["gains"]:
        console.print(in_words(row))
    for method, calibration in found["calibration"].items():
        if method in CALIBRATED:
            console.print(f"{method}: confidence is off by {100 * calibration['error']:.1f} points")
    if not execute and suite == SUITES[0]:
        console.print("pass@1 needs --execute: the suite's tests are run in a sandbox")
    console.print(f"the answers are in {found['results']}", soft_wrap=True)


def listen(
    data: Path,
    model: str,
    device: str | None,
    factory: str | None,
    limit: int | None,
    seed: int,
    *,
    anyway: bool,
) -> dict[str, Any]:
    """What ghost text says at pauses, behind a progress bar."""
    try:
        chosen = pauses.read_pauses(data, limit, seed, anyway=anyway)
    except BadData as error:
        raise CommandError(str(error), USAGE) from error
    with Progress(*COLUMNS, console=terminal(stderr=True), transient=True) as bar:
        task = bar.add_task("pauses", total=len(chosen))

        def show(done: int) -> None:
            bar.update(task, completed=done)

        try:
            heard = pauses.type_and_listen(chosen, model, device, factory, show)
        except EngineError as error:
            raise engine_fault(error) from error
        except (TimeoutError, OSError) as error:
            raise CommandError(
                f"the language server gave no answer ({error or 'it took too long'}): run"
                " `infill-ls doctor`",
                FAILED,
            ) from error
    return {"suite": TYPING, "limit": limit, "seed": seed, **heard}


def as_table_of_pauses(way: str, rows: list[dict[str, Any]]) -> Table:
    """Per 100 pauses of each kind; `right` is per 100 that were spoken to."""
    table = Table(box=None, pad_edge=False)
    table.add_column(f"{way}, {rows[0]['n']} pauses")
    names = ("spoken", "exact", "similar", "wrong", "right")
    for name in (*names, "characters saved"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(row["kind"], *(percent(row[name]) for name in names), f"{row['saved']:.0f}")
    return table


def evaluate(arguments: list[str]) -> dict[str, Any]:
    """Run it in a process of its own, behind a progress bar; the report it ends with."""
    with Progress(*COLUMNS, console=terminal(stderr=True), transient=True) as bar:
        task = bar.add_task("answers", total=None)
        with messages(arguments) as report:
            for message in report:
                if "error" in message:
                    raise CommandError(message["error"], USAGE)
                if "report" in message or "calibrated" in message:
                    return message
                bar.update(task, completed=message["done"], total=message.get("total"))
    raise CommandError("the evaluation ended before it had a result: run it again", FAILED)


@contextmanager
def messages(arguments: list[str]) -> Iterator[Iterator[dict[str, Any]]]:
    process = subprocess.Popen(
        child.command("engine.evaluation", *arguments),
        stdout=subprocess.PIPE,
        env=child.environment(),
        text=True,
    )
    assert process.stdout is not None
    try:
        yield (json.loads(line) for line in process.stdout)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def as_tables(rows: list[dict[str, Any]]) -> Iterator[Table]:
    """One for each part of the items, a column for each way to find the length. Rates are in
    percent, with the interval that holds 95% of resamples."""
    for part in dict.fromkeys(row["part"] for row in rows):
        shown = [row for row in rows if row["part"] == part]
        table = Table(box=None, pad_edge=False)
        table.add_column(f"{part}, {shown[0]['n']} items")
        for row in shown:
            table.add_column(row["method"], justify="right")
        for key, name in RATES.items():
            table.add_row(name, *(percent(row[key]) for row in shown))
        table.add_row("forwards per item", *(f"{row['forwards']:.1f}" for row in shown))
        table.add_row("seconds, median", *(f"{row['p50_seconds']:.2f}" for row in shown))
        table.add_row("seconds, 95%", *(f"{row['p95_seconds']:.2f}" for row in shown))
        yield table


def in_words(row: dict[str, Any]) -> str:
    """How much more of a part is exact by one way than by the file alone, in points."""
    gain = {key: 100 * value for key, value in row["gain"].items()}
    points = f"{gain['mean']:+.1f} points ({gain['low']:+.1f} to {gain['high']:+.1f})"
    return f"{row['part']} by {row['method']}: {points} beside the file alone, n = {row['n']}"


def calibrated_in_words(fitted: dict[str, Any]) -> str:
    return (
        f"the confidence of {fitted['model']} is fitted to {fitted['items']} gaps: on gaps it was"
        f" not fitted to it is off by {100 * fitted['error']:.1f} points, before by"
        f" {100 * fitted['error_before']:.1f}. It is kept in {fitted['file']} and used from the"
        " next start of the engine; remove the file to undo it."
    )


def percent(report: dict[str, Any] | None) -> str:
    if report is None:
        return "-"
    return f"{100 * report['mean']:.1f} ({100 * report['low']:.0f}-{100 * report['high']:.0f})"
