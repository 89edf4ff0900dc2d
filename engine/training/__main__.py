"""`python -m engine.training STAGE`: train, export, fit, card, in that order; between the last two,
`infill-ls eval held-out` measures the model.

Before them come `python -m engine.training.corpus` and `python -m engine.training.tokenizer`.
`pack` and `unpack` carry a corpus or a training state to another machine; `ablate` compares small
trainings that differ in one choice.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)

Corpus = Annotated[Path, typer.Option(help="Folder of the corpus")]
Work = Annotated[Path, typer.Option(help="Folder of the training state")]

CORPUS = Path("build/corpus")
WORK = Path("build/training")
EMBEDDED = Path(__file__).parents[1] / "embedded"


@app.command("train")
def train_command(
    corpus: Corpus = CORPUS,
    work: Work = WORK,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    seconds: Annotated[float | None, typer.Option(help="Stop after this long; resumable")] = None,
    compiled: Annotated[bool, typer.Option(help="Fuse with torch.compile")] = True,
    processes: Annotated[int, typer.Option(help="Processes that share each batch (CPU)")] = 1,
) -> None:
    """Train, or go on training, the embedded model."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch
    from torch.multiprocessing.spawn import spawn

    from engine.training.settings import Settings
    from engine.training.train import Run, train

    tokenizer, on = EMBEDDED / "tokenizer.json", torch.device(device)
    run = Run(Settings.read(), corpus, work, tokenizer, on, compiled, seconds, processes)
    if processes == 1:
        train(0, run)
    else:
        spawn(train, (run,), nprocs=processes)


@app.command()
def ablate(
    corpus: Corpus = CORPUS,
    work: Work = Path("build/ablations"),
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    steps: Annotated[int, typer.Option(help="Of every row")] = 300,
    row: Annotated[list[str] | None, typer.Option(help="Only these, after the baseline")] = None,
    out: Annotated[Path, typer.Option(help="The rows, as JSON")] = EMBEDDED / "ablations.json",
) -> None:
    """Train small models that differ in one choice each (ablations.toml), and compare them."""
    import torch

    from engine.training import ablate as small
    from engine.training.settings import Settings
    from engine.training.train import Run

    tokenizer, on = EMBEDDED / "tokenizer.json", torch.device(device)
    run = Run(Settings.read(), corpus, work, tokenizer, on, on.type == "cuda", None, 1)
    small.write_rows(small.ablate(run, steps, tuple(row or ())), out)


@app.command()
def pack(
    folder: Annotated[Path, typer.Argument(help="Where the parts go")],
    file: Annotated[list[Path] | None, typer.Option(help="What; else the corpus")] = None,
    corpus: Corpus = CORPUS,
) -> None:
    """Compress the corpus, or any file, in parts of 16 MiB at most, to train elsewhere."""
    from engine.training import shards

    for each in file or [corpus / "train.jsonl", corpus / "held_out.jsonl"]:
        written = shards.pack(each, folder)
        size = sum(part.stat().st_size for part in written) / 2**20
        print(f"{each}: {size:.1f} MiB in {len(written)} parts")


@app.command()
def unpack(
    folder: Annotated[Path, typer.Argument(help="Where the parts are")],
    file: Annotated[list[Path] | None, typer.Option(help="What; else the corpus")] = None,
    corpus: Corpus = CORPUS,
) -> None:
    """Put together what was packed."""
    from engine.training import shards

    corpus.mkdir(parents=True, exist_ok=True)
    for each in file or [corpus / "train.jsonl", corpus / "held_out.jsonl"]:
        print(f"wrote {shards.unpack(folder, each.name, each)}")


@app.command()
def export(
    work: Work = WORK,
    folder: Annotated[Path, typer.Option(help="Where the model goes")] = EMBEDDED,
    hardware: Annotated[str, typer.Option(help="What trained it, for the card")] = "2 CPU cores",
) -> None:
    """Write the trained weights as a model folder, in int8."""
    from engine.training.export import export as run
    from engine.training.settings import Settings

    run(Settings.read(), work, folder, "int8", hardware)
    print(f"wrote {folder}: {sum(f.stat().st_size for f in folder.iterdir()) / 2**20:.1f} MiB")


@app.command()
def dequantise(
    folder: Annotated[Path, typer.Argument(help="Where the model goes")],
    model: Annotated[str, typer.Option(help="embedded, or a model folder")] = "embedded",
) -> None:
    """Write a model in bfloat16, as `transformers` reads it."""
    import torch

    from engine.checkpoints.catalog import folder_of
    from engine.training.export import dequantise as run

    run(folder_of(model), folder, torch.bfloat16)
    print(f"wrote {folder}")


@app.command()
def fit(
    corpus: Corpus = CORPUS,
    model: Annotated[str, typer.Option(help="embedded, or a model folder")] = "embedded",
    lines: Annotated[int, typer.Option(help="Gaps of a line")] = 800,
    blocks: Annotated[int, typer.Option(help="Gaps of two to six lines")] = 200,
    seed: Annotated[int, typer.Option(help="Which gaps")] = 0,
) -> None:
    """Fit rank and confidence of a model's profile to gaps of the packages that are there for it.

    Builds a missing corpus first.
    """
    from engine.checkpoints.catalog import folder_of
    from engine.evaluation.splits import TUNE
    from engine.evaluation.suites import held_out_items
    from engine.fill.load import load_engine
    from engine.training.fit import calibrate

    sources = corpus / "held_out.jsonl"
    if not sources.exists():
        from engine.training.corpus import build

        build(corpus)
    items = held_out_items(sources, TUNE, seed, lines, blocks)
    folder = folder_of(model)
    calibrate(load_engine(model, "cpu"), items, folder, _count_to(len(items), "fitted to"))
    print(f"wrote {folder / 'profile.json'}")


@app.command()
def checkout(
    folder: Annotated[Path, typer.Argument(help="Where the packages go")],
    split: Annotated[str, typer.Option(help="tune, report or fresh")] = "report",
    corpus: Corpus = CORPUS,
) -> None:
    """Write the packages of a split as folders, for `infill-ls eval repositories`."""
    from engine.evaluation.splits import HELD_OUT
    from engine.training.checkout import check_out

    chosen = next((each for each in HELD_OUT if each == split), None)
    if chosen is None:
        raise typer.BadParameter(f"choose one of {', '.join(HELD_OUT)}, not {split}")
    for name, files in check_out(chosen, corpus / "archives", folder):
        print(f"{name}: {files} files")


@app.command()
def card(
    evaluation: Annotated[
        list[Path], typer.Argument(help="What `infill-ls eval held-out --json` printed, and fresh")
    ],
    model: Annotated[str, typer.Option(help="embedded, or a model folder")] = "embedded",
) -> None:
    """Keep evaluations beside a model, and write its card from them."""
    from engine.checkpoints.catalog import folder_of
    from engine.training.card import keep_evaluations, write_card
    from engine.training.settings import Settings

    folder = folder_of(model)
    keep_evaluations(evaluation, folder)
    print(f"wrote {write_card(Settings.read(), folder)}")


def _count_to(total: int, what: str) -> Callable[[int], None]:
    def show(done: int) -> None:
        if done % 50 == 0 or done == total:
            print(f"{what} {done} of {total}", file=sys.stderr, flush=True)

    return show


if __name__ == "__main__":
    app()
