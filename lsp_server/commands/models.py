"""`infill-ls models`: what is here, what can be pulled, and what would run well on this machine."""

from __future__ import annotations

import json
import subprocess
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from engine.checkpoints.catalog import EMBEDDED, GB
from lsp_server import child
from lsp_server.commands.console import terminal
from lsp_server.commands.fault import FAILED, CommandError


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the models that are here or can be pulled, and what would run well on this machine.

    From the smallest to the largest. What suits is told by the memory that is free now.
    """
    found = survey()
    if as_json:
        print(json.dumps(found))
        return
    console = terminal()
    console.print(machine(found), soft_wrap=True)
    ships = {"name": EMBEDDED, "fault": None, "runs": {"use": "it runs"}, "suits": True,
             "best": found["best"] == EMBEDDED}  # fmt: skip
    print_model(console, ships, "here", "any machine; it ships in the package", found["device"])
    for model in found["models"]:
        state = "here" if model["here"] else f"{model['download'] / GB:.1f} GB to fetch"
        facts = ", ".join(filter(None, (state, needs(model, found["device"]), model["licence"])))
        if model["terms"] and not model["here"]:
            facts += ", to be accepted"
        print_model(console, model, facts, model["good_for"], found["device"])
    console.print(
        f"Fetch one with `infill-ls pull NAME`; they are kept in {found['store']}.", soft_wrap=True
    )


def machine(found: dict[str, Any]) -> str:
    card, free = found["card"], found["free"]
    if card:
        return f"{card['name']}: {free / GB:.1f} of {card['total'] / GB:.1f} GB free"
    memory = "" if free is None else f", with {free / GB:.1f} GB of memory free"
    return f"no CUDA card: models run on the processor{memory}"


def needs(model: dict[str, Any], device: str) -> str:
    """The least memory for it: of this machine where it suits it, else of a card."""
    elsewhere = device == "cpu" and not model["suits"]
    nbytes = model["needs_on_a_card" if elsewhere else "needs"]
    if nbytes is None:
        return ""
    return f"at least {nbytes / GB:.1f} GB of memory{' on a card' if elsewhere else ''}"


def print_model(
    console: Console, model: dict[str, Any], facts: str, good_for: str, device: str
) -> None:
    console.print(Text.assemble((model["name"], "bold"), f": {facts}"), soft_wrap=True)
    if good_for:
        console.print(f"    good for {good_for}", soft_wrap=True, markup=False)
    said = on_this_machine(model, device)
    console.print(f"    on this machine: {said}", soft_wrap=True, markup=False)


def on_this_machine(model: dict[str, Any], device: str) -> str:
    if model["fault"]:
        return str(model["fault"])
    if not model["runs"]:
        return "too little memory is free"
    use = str(model["runs"]["use"])
    if not model["suits"]:
        return f"too slow for ghost text on the processor: {use}" if device == "cpu" else use
    return f"{'the best choice' if model['best'] else 'it suits'}: {use}"


def survey() -> dict[str, Any]:
    """Planning needs torch, which this process does not load."""
    with Console(stderr=True).status("looking at this machine"):  # shown in a terminal alone
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
