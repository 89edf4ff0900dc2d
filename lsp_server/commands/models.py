"""`infill-ls models`: what is here, what can be pulled, and what would run well on this card."""

from __future__ import annotations

import json
import subprocess
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from engine.checkpoints.catalog import GB
from lsp_server import child
from lsp_server.commands.fault import FAILED, CommandError
from lsp_server.commands.fill import terminal


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the models that are here or can be pulled, and what would run well on this card."""
    found = survey()
    if as_json:
        print(json.dumps(found))
        return
    card = found["card"]
    console = terminal()
    if card:
        free, total = card["free"] / GB, card["total"] / GB
        console.print(f"{card['name']}: {free:.1f} of {total:.1f} GB free")
    else:
        console.print("no CUDA card: the embedded model serves, on the processor")
    print_model(console, "embedded", "here", "any machine; it ships in the package", "runs")
    for model in found["models"]:
        fetch = f"{model['download'] / GB:.1f} GB to fetch"
        facts = f"at least {model['needs'] / GB:.1f} GB of memory, {model['licence']}"
        state = "here" if model["here"] else fetch
        print_model(
            console, model["name"], f"{state}, {facts}", model["good_for"], on_this_card(model)
        )
    console.print(
        f"Fetch one with `infill-ls pull NAME`; they are kept in {found['store']}.", soft_wrap=True
    )


def print_model(console: Console, name: str, facts: str, good_for: str, card: str) -> None:
    console.print(Text.assemble((name, "bold"), f": {facts}"), soft_wrap=True)
    console.print(f"    good for {good_for}", soft_wrap=True, markup=False)
    console.print(f"    on this machine: {card}", soft_wrap=True, markup=False)


def on_this_card(model: dict[str, Any]) -> str:
    if model["fault"]:
        return str(model["fault"])
    if not model["runs"]:
        return "does not run"
    best = "the best choice: " if model["best"] else ""
    return f"{best}{model['runs']['use']}"


def survey() -> dict[str, Any]:
    """Planning needs torch, which this process does not load."""
    run = subprocess.run(
        child.command("engine.checkpoints.survey"),
        capture_output=True,
        text=True,
        env=child.environment(),
    )
    try:
        found = json.loads(run.stdout)
    except ValueError:
        last = (run.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise CommandError(f"the models cannot be looked at: {last}", FAILED) from None
    return dict(found)
