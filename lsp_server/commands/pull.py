"""`infill-ls pull`: the one command that fetches a model, because its user asked for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from engine.api import ModelMissing
from engine.checkpoints import catalog, download
from lsp_server import child
from lsp_server.commands.console import terminal
from lsp_server.commands.fault import FAILED, USAGE, CommandError
from lsp_server.commands.models import survey

# As cards name them: whoever keeps to these may use a model for anything.
ASKS_NOTHING = ("apache-2.0", "mit", "bsd", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "unlicense")
ACCEPT = "--accept-licence"


def command(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="As `infill-ls models` lists it, or OWNER/NAME.")
    ],
    accepted: Annotated[
        bool, typer.Option(ACCEPT, help="You have read the licence, and accept it.")
    ] = False,
) -> None:
    """Fetch a model from the Hugging Face hub; run it again to resume an interrupted download.

    HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE and the proxy variables are respected. Models are kept in
    INFILL_MODELS, or in your data folder. The name "diffusiongemma" leaves the format to your card.
    OWNER/NAME is any repository of the hub: what it holds is looked at before its weights come.
    """
    if name == catalog.FAMILY:
        name = suited()
    try:
        entry = catalog.find(name)
    except ModelMissing as error:
        raise CommandError(str(error), USAGE) from error
    store = catalog.store()
    if catalog.receipt(store / entry.name) is not None:
        print(f"{name} is here already: {store / entry.name}")
        return
    console = terminal(stderr=True)
    try:
        agree(entry, accepted, console)
        folder = fetch(entry, store, console)
    except download.PullFailed as error:
        raise CommandError(str(error), FAILED) from error
    print(f"{name} is here: {folder}\nuse it with --model {name}")


def agree(entry: catalog.Entry, accepted: bool, console: Console) -> None:
    """Say what comes under which licence. Where that asks something of its users, raise
    CommandError unless they accept it."""
    nbytes, licence, terms = entry.download, entry.licence, entry.terms
    if entry.is_unknown:
        listing = download.look_up(entry)
        nbytes, licence = listing.nbytes, listing.licence or "no licence is named"
        if licence not in ASKS_NOTHING:
            terms = f"the card of {entry.repository} on the hub"
    size = f"{nbytes / catalog.GB:.1f} GB"
    console.print(f"{entry.name}: {size} of {entry.repository} ({licence})", soft_wrap=True)
    if terms is None:
        return
    console.print(f"its licence, to be accepted before it is fetched: {terms}", soft_wrap=True)
    if accepted:
        return
    if not sys.stdin.isatty() or not typer.confirm("Do you accept it?", err=True):
        raise CommandError(
            f"{entry.name} was not fetched: read {terms}, then run the same pull with {ACCEPT}",
            FAILED,
        )


def fetch(entry: catalog.Entry, store: Path, console: Console) -> Path:
    """Bring the model, with a bar on `console`; its folder. Raises PullFailed."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(),
               TransferSpeedColumn(), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("asking the hub", total=None)

        def show(progress: download.Progress) -> None:
            if bar.tasks[0].total is None:  # what is here already is no speed
                bar.reset(task, total=progress.of, completed=progress.done)
            bar.update(task, completed=progress.done, description=progress.file)

        examine = recognised if entry.is_unknown else None
        return download.pull(entry, store, show, examine=examine)


def recognised(folder: Path) -> None:
    """Raise PullFailed where `folder`, all but its weights, holds no model that can be used."""
    run = subprocess.run(
        child.command("engine.checkpoints.kind", str(folder)),
        capture_output=True,
        text=True,
        env=child.environment(),
    )
    try:
        fault = json.loads(run.stdout)["fault"]
    except ValueError:
        fault = (run.stderr.strip().splitlines() or ["it cannot be looked at"])[-1]
    if fault is not None:
        raise download.PullFailed(
            f"it is no model for infill-ls, and its weights stay away: {fault}"
        )


def suited() -> str:
    """The name of the format that suits this machine's card best."""
    found = survey()
    if found["suited"] is None:
        lacks = "too little memory free for any format of" if found["card"] else "no CUDA card for"
        raise CommandError(
            f"this machine has {lacks} {catalog.FAMILY}: name one of `infill-ls models` to fetch it"
            " all the same",
            FAILED,
        )
    return str(found["suited"])
