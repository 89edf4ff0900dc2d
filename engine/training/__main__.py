"""`python -m engine.training STAGE`: train, export, evaluate, in that order.

Before them come `python -m engine.training.corpus` and `python -m engine.training.tokenizer`.
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

    run = Run(
        Settings.read(),
        corpus,
        work,
        EMBEDDED / "tokenizer.json",
        torch.device(device),
        compiled,
        seconds,
        processes,
    )
    if processes == 1:
        train(0, run)
    else:
        spawn(train, (run,), nprocs=processes)


@app.command()
def export(
    work: Work = WORK,
    folder: Annotated[Path, typer.Option(help="Where the model goes")] = EMBEDDED,
    hardware: Annotated[str, typer.Option(help="What trained it, for the card")] = "2 CPU cores",
) -> None:
    """Write the trained weights as a model folder."""
    import torch

    from engine.training.export import export as run
    from engine.training.settings import Settings

    run(Settings.read(), work, folder, torch.bfloat16, hardware)
    print(f"wrote {folder}: {sum(f.stat().st_size for f in folder.iterdir()) / 2**20:.1f} MiB")


@app.command()
def evaluate(
    corpus: Corpus = CORPUS,
    model: Annotated[str, typer.Option(help="embedded, or a model folder")] = "embedded",
    items: Annotated[int, typer.Option(help="Gaps to fill")] = 1000,
    seed: Annotated[int, typer.Option(help="Which gaps")] = 20,
    out: Annotated[Path | None, typer.Option(help="Write the report here, as JSON")] = None,
    calibrate: Annotated[bool, typer.Option(help="Fit the profile's calibration first")] = False,
) -> None:
    """Fill held-out gaps, count the exact ones, write the card. Builds a missing corpus first."""
    import time

    from engine.infill import load_engine
    from engine.training import evaluate as measure
    from engine.training.card import write_card
    from engine.training.items import held_out_items
    from engine.training.settings import Settings

    sources = corpus / "held_out.jsonl"
    if not sources.exists():
        from engine.training.corpus import build

        build(corpus)
    started = time.monotonic()
    engine = load_engine(model, "cpu")
    if calibrate:
        measure.calibrate(engine, held_out_items(sources, items // 2, seed + 1), EMBEDDED)
        engine = load_engine(model, "cpu")
    answers = measure.ask(engine, held_out_items(sources, items, seed), _count_to(items))
    text = measure.to_json(measure.report(answers, seed, started))
    print(text)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")
    if model == "embedded":
        (EMBEDDED / "evaluation.json").write_text(text + "\n", encoding="utf-8")
        print(f"wrote {write_card(Settings.read(), EMBEDDED)}", file=sys.stderr)


def _count_to(total: int) -> Callable[[int], None]:
    def show(done: int) -> None:
        if done % 50 == 0 or done == total:
            print(f"{done} of {total}", file=sys.stderr)

    return show


if __name__ == "__main__":
    app()
