"""Small trainings side by side: what each choice of the recipe costs and gains.

A row of `ablations.toml` changes some settings of a small model; every row trains on the same
texts for the same steps, and is measured by its loss on held-out slots, noised alike for all.

A row with another vocabulary has a tokenizer of its own, and other tokens: its losses are told for
as much text as one token of the baseline's stands for.
"""

from __future__ import annotations

import json
import random
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from engine.checkpoints.tokenizer import read_tokenizer
from engine.evaluation.splits import TUNE
from engine.models.family import build
from engine.training import tokenizer
from engine.training.data import Corpus, Share, batch_of
from engine.training.objective import joint_loss
from engine.training.settings import Settings
from engine.training.train import Run, train

TABLE = Path(__file__).with_name("ablations.toml")
MEASURED = 8  # held-out batches
SAMPLED = 200  # held-out texts that a vocabulary's density is told from


@dataclass(frozen=True, slots=True)
class Row:
    """A training of `steps` steps; losses in nats a token of the baseline's on held-out text, and
    the gain on slots over the first row (positive is better)."""

    name: str
    parameters: int
    steps: int
    seconds: float
    slot_loss: float
    causal_loss: float
    gain: float


def ablate(
    run: Run, steps: int, names: tuple[str, ...] = (), report: Callable[[Row], None] = print
) -> list[Row]:
    """Train and measure the rows called `names` (none: all) after the baseline, which comes first.

    `run` says on what and where; each row has a folder of its own below `run.folder`, and goes on
    where it was ended.
    """
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    schedule = {"schedule.steps": steps}
    small = changed(run.settings, table["scale"] | schedule)
    held_out = Corpus(run.corpus / "held_out.jsonl", small.data.languages, TUNE)
    unknown = ", ".join(set(names) - set(table["rows"]))
    if unknown:
        raise ValueError(f"{TABLE.name} has no row {unknown}: it has {', '.join(table['rows'])}")
    rows: list[Row] = []
    for name in dict.fromkeys(("baseline", *(names or table["rows"]))):
        settings = changed(small, table["rows"].get(name, {}))
        started = time.monotonic()
        row_run = replace(run, settings=settings, folder=run.folder / name)
        size, asked = settings.model["vocab_size"], small
        if size != small.model["vocab_size"]:
            row_run = replace(row_run, tokenizer=_tokenizer(row_run, size))
            asked = changed(small, {"model.vocab_size": size})
        train(0, row_run)
        seconds = time.monotonic() - started
        # Batches are made by the baseline's settings: every row answers the same questions.
        row = measure(name, asked, row_run, held_out, seconds)
        if row_run.tokenizer != run.tokenizer:
            scale = _density(run.tokenizer, held_out) / _density(row_run.tokenizer, held_out)
            row = replace(
                row,
                slot_loss=round(row.slot_loss * scale, 3),
                causal_loss=round(row.causal_loss * scale, 3),
            )
        row = replace(row, gain=round(rows[0].slot_loss - row.slot_loss, 3) if rows else 0.0)
        rows.append(row)
        report(row)
    return rows


@torch.no_grad()
def measure(name: str, asked: Settings, run: Run, held_out: Corpus, seconds: float) -> Row:
    """The model that `run` has trained, on batches made by the settings `asked`."""
    model = build(run.settings.architecture())
    state = load_file(run.folder / "state.safetensors")
    kept = {key: tensor for key, tensor in state.items() if key.startswith("model.")}
    model.load_state_dict({key.removeprefix("model."): tensor for key, tensor in kept.items()})
    cut = read_tokenizer(run.tokenizer)
    slots = causal = 0.0
    last = asked.schedule.steps
    for number in range(MEASURED):
        batch = batch_of(asked, cut, held_out, last + number, Share())
        _, slot, clm = joint_loss(model, batch, None, 0.0)
        slots, causal = slots + float(slot), causal + float(clm)
    return Row(
        name=name,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        steps=run.settings.schedule.steps,
        seconds=round(seconds, 1),
        slot_loss=round(slots / MEASURED, 3),
        causal_loss=round(causal / MEASURED, 3),
        gain=0.0,
    )


def _tokenizer(run: Run, size: int) -> Path:
    """A tokenizer of `size` tokens, trained on the run's corpus."""
    path = run.folder / "tokenizer.json"
    if not path.exists():
        tokenizer.train(run.corpus, path, size)
    return path


def _density(path: Path, texts: Corpus) -> float:
    """Characters a token."""
    cut, rng = read_tokenizer(path), random.Random(0)
    drawn = [texts.draw(rng) for _ in range(SAMPLED)]
    return sum(map(len, drawn)) / sum(len(cut.encode(text).ids) for text in drawn)


def changed(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """`settings` with values in place of others, named like "noise.left".

    Raises ValueError for a name that is no setting.
    """
    for name, value in changes.items():
        section, _, key = name.partition(".")
        part = getattr(settings, section, None)
        if isinstance(part, dict) and key in part:
            new: Any = {**part, key: value}
        elif key in getattr(part, "__dataclass_fields__", {}):
            new = replace(part, **{key: tuple(value) if isinstance(value, list) else value})  # type: ignore[type-var]
        else:
            raise ValueError(f"{TABLE.name}: {name} is no setting")
        settings = replace(settings, **{section: new})
    return settings


def write_rows(rows: list[Row], path: Path) -> None:
    """As JSON, for the model card."""
    document = [{name: getattr(row, name) for name in Row.__dataclass_fields__} for row in rows]
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
