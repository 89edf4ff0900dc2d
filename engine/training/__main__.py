"""`python -m engine.training STAGE`: train, export, evaluate, in that order.

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
def evaluate(
    corpus: Corpus = CORPUS,
    model: Annotated[str, typer.Option(help="embedded, or a model folder")] = "embedded",
    items: Annotated[int, typer.Option(help="Gaps to fill")] = 1000,
    seed: Annotated[int, typer.Option(help="Which gaps")] = 20,
    out: Annotated[Path | None, typer.Option(help="Write the report here, as JSON")] = None,
    calibrate: Annotated[
        bool, typer.Option(help="Fit the profile's rank and confidence first, on other gaps")
    ] = False,
    language: Annotated[str | None, typer.Option(help="Only this one")] = None,
) -> None:
    """Fill held-out gaps, count the exact ones, write the card. Builds a missing corpus first."""
    import time

    from engine.checkpoints.catalog import folder_of
    from engine.fill.load import load_engine
    from engine.training import evaluate as measure
    from engine.training.card import write_card
    from engine.training.items import WITH_BLOCKS, held_out_items
    from engine.training.settings import Settings

    sources = corpus / "held_out.jsonl"
    if not sources.exists():
        from engine.training.corpus import build

        build(corpus)
    started = time.monotonic()
    folder, settings = folder_of(model), Settings.read()
    weights = {language: 1.0} if language else settings.data.languages
    engine = load_engine(model, "cpu")
    if calibrate:
        others = held_out_items(sources, items, seed + 1, WITH_BLOCKS, weights)
        measure.calibrate(engine, others, folder, _count_to(items, "fitted to"))
        engine = load_engine(model, "cpu")
    asked = held_out_items(sources, items, seed, languages=weights)
    answers = measure.ask(engine, asked, _count_to(items, "filled"))
    text = measure.to_json(measure.report(answers, seed, started))
    print(text)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")
    if not language and (folder / "training.json").exists():
        (folder / "evaluation.json").write_text(text + "\n", encoding="utf-8")
        print(f"wrote {write_card(settings, folder)}", file=sys.stderr)


def _count_to(total: int, what: str) -> Callable[[int], None]:
    def show(done: int) -> None:
        if done % 50 == 0 or done == total:
            print(f"{what} {done} of {total}", file=sys.stderr, flush=True)

    return show


if __name__ == "__main__":
    app()
