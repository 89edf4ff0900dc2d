"""`infill-ls pull`: the one command that fetches a model, because its user asked for it."""

from __future__ import annotations

from typing import Annotated

import typer
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
from lsp_server.commands.fault import FAILED, USAGE, CommandError
from lsp_server.commands.fill import terminal
from lsp_server.commands.models import survey


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `infill-ls models` lists it.")],
) -> None:
    """Fetch a model from the Hugging Face hub; run it again to go on after a cut.

    HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE and the proxy variables are respected. Models are kept in
    INFILL_MODELS, or in your data folder. The name "diffusiongemma" leaves the format to your card.
    """
    if name == catalog.FAMILY:
        name = suited()
    try:
        entry = catalog.find(name)
    except ModelMissing as error:
        raise CommandError(str(error), USAGE) from error
    store = catalog.store()
    if catalog.receipt(store / name) is not None:
        print(f"{name} is here already: {store / name}")
        return
    console = terminal(stderr=True)
    size = f"{entry.download / catalog.GB:.1f} GB"
    console.print(f"{name}: {size} of {entry.repository} ({entry.licence})")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(),
               TransferSpeedColumn(), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("asking the hub", total=None)

        def show(progress: download.Progress) -> None:
            if bar.tasks[0].total is None:  # what is here already is no speed
                bar.reset(task, total=progress.of, completed=progress.done)
            bar.update(task, completed=progress.done, description=progress.file)

        try:
            folder = download.pull(entry, store, show)
        except download.PullFailed as error:
            raise CommandError(str(error), FAILED) from error
    print(f"{name} is here: {folder}\nuse it with --model {name}")


def suited() -> str:
    """The name of the format that suits this machine's card best."""
    found = survey()
    best = next((model["name"] for model in found["models"] if model["best"]), None)
    if best is None:
        lacks = "too little memory free for any format of" if found["card"] else "no CUDA card for"
        raise CommandError(
            f"this machine has {lacks} {catalog.FAMILY}: name one of `infill-ls models` to fetch it"
            " all the same",
            FAILED,
        )
    return str(best)
