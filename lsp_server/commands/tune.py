"""`infill-ls tune`: teach the model the code of one folder, on this machine."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from engine.api import ModelMissing
from engine.checkpoints.catalog import FAMILY, folder_of
from engine.client.lock import FileLock
from engine.tuning.kept import Kept, Record, all_kept, base_name
from lsp_server import child
from lsp_server.commands.console import terminal
from lsp_server.commands.fault import FAILED, USAGE, CommandError
from lsp_server.commands.options import Device, Model
from lsp_server.index.listing import Unlisted, listed
from lsp_server.secrets import is_secret

COLUMNS = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
STAGES = {
    "measuring before": "measuring what it fills now",
    "learning": "learning",
    "measuring after": "measuring what it fills then",
}
GO_ON = "run `infill-ls tune` again to go on"


def command(
    folder: Annotated[
        str, typer.Argument(metavar="FOLDER", help="The workspace to learn from.")
    ] = ".",
    minutes: Annotated[
        float, typer.Option(min=0.1, metavar="N", help="For how long; pauses do not count.")
    ] = 20.0,
    model: Model = "embedded",
    device: Device = None,
    status: Annotated[
        bool, typer.Option("--status", help="Tell what was learned, of every folder.")
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Remove what was learned of FOLDER.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Teach the model the code of a folder; what it learned stays on this machine.

    It works with low priority, and rests while you fill. Of every five files one is held out: only
    if more of its gaps are filled exactly than before is the result used in this folder. End it
    with ctrl-c at any moment; the same command goes on from there.
    """
    if status and forget:
        raise CommandError("--status and --forget are two things: give one of them", USAGE)
    if status:
        tell_status(as_json=as_json)
        return
    workspace = Path(folder).expanduser()
    if forget:
        tell_forgotten(workspace, model)
        return
    if not workspace.is_dir():
        raise CommandError(f"{folder} is no folder: give one that holds source files", USAGE)
    if model == FAMILY:
        raise CommandError(f"{model} is a family: name one of `infill-ls models`", USAGE)
    try:
        folder_of(model)
    except ModelMissing as error:
        raise CommandError(str(error), USAGE) from error
    arguments = [str(workspace.resolve()), "--model", base_name(model), "--minutes", str(minutes)]
    if device is not None:
        arguments += ["--device", device]
    record = learn(arguments, files_of(workspace))
    if as_json:
        print(json.dumps({"ended": True} if record is None else record.as_json()))
    elif record is None:
        print(f"What was learned so far is kept: {GO_ON}.")
    else:
        print(in_words(record))


def files_of(workspace: Path) -> list[str]:
    """Source files that git does not ignore and that may not hold secrets, under any name."""
    root = workspace.resolve()
    try:
        names = sorted(listed(root))
    except Unlisted as error:
        raise CommandError(str(error), FAILED) from error
    return [name for name in names if not is_secret(_behind(root, name))]


def _behind(root: Path, name: str) -> str:
    """What a link stands for; of a file within `root` only what is below it is looked at."""
    real = Path(os.path.realpath(root / name))
    return str(real.relative_to(root)) if real.is_relative_to(root) else str(real)


def learn(arguments: list[str], files: list[str]) -> Record | None:
    """Run it in a process of its own, behind a progress bar; None where it was ended."""
    with Progress(*COLUMNS, console=terminal(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)
        stage = ""
        try:
            with _messages(arguments, files) as told:
                for message in told:
                    if "error" in message:
                        raise CommandError(message["error"], FAILED)
                    if "result" in message:
                        return Record(**message["result"])
                    if "stage" in message and message["stage"] != stage:
                        stage = message["stage"]
                        bar.reset(task, total=message["of"])
                    if "stage" in message:
                        words = _of_stage(message)
                        bar.update(task, completed=message["done"], description=words)
                    if "ended" in message:
                        return None
        except KeyboardInterrupt:
            return None
    raise CommandError(f"the run ended before it had a result: {GO_ON}", FAILED)


def _of_stage(message: dict[str, Any]) -> str:
    if message["paused"]:
        return "waiting while you fill"
    words = STAGES[message["stage"]]
    loss = message.get("loss")
    return f"{words}, loss {loss:.2f}" if loss is not None else words


@contextmanager
def _messages(arguments: list[str], files: list[str]) -> Iterator[Iterator[dict[str, Any]]]:
    process = subprocess.Popen(
        child.command("engine.tuning", *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child.environment(),
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write("".join(json.dumps(name) + "\n" for name in files))
        process.stdin.close()
        yield (json.loads(line) for line in process.stdout)
    finally:
        process.terminate()  # it saves what it has learned, and ends
        process.wait()
        process.stdout.close()


def tell_status(*, as_json: bool) -> None:
    records = [record for each in all_kept() if (record := each.record()) is not None]
    if as_json:
        print(json.dumps({"tuned": [record.as_json() for record in records]}))
    elif not records:
        print("Nothing was learned yet: `infill-ls tune FOLDER` does.")
    else:
        print("\n".join(map(in_words, records)))


def tell_forgotten(workspace: Path, model: str) -> None:
    kept = Kept.of(workspace, model)
    lock = FileLock(kept.lock)
    try:
        if kept.folder.is_dir() and not lock.take():
            raise CommandError(f"{workspace} is being learned: end that first", FAILED)
        forgotten = kept.forget()
    except OSError as error:
        raise CommandError(f"{kept.folder}: {error.strerror or error}: fix that", FAILED) from error
    finally:
        lock.release()
    print(f"{workspace.resolve()} is forgotten." if forgotten else "There was nothing to forget.")


def in_words(record: Record) -> str:
    """One line on what was learned of a workspace."""
    where = f"{record.workspace}, {record.base}"
    if record.before is None or record.after is None:
        return f"{where}: {record.minutes:.1f} min so far; {GO_ON}"
    gaps = f"{record.gaps} gaps in {record.held_out} held-out files"
    before, after = 100 * record.before, 100 * record.after
    found = f"{where}: of {gaps}, {before:.1f} % exact before, {after:.1f} % after"
    if record.gained:
        return f"{found}; in use"
    kept = "what was learned before stays in use" if record.model else "dropped"
    return f"{found}; no gain, so {kept}"
