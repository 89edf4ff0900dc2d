"""Small trainings side by side: what each choice of the recipe costs and gains.

A row of `ablations.toml` changes some settings of a small model; every row trains on the same
texts for the same steps, and is measured by its loss on held-out slots, noised alike for all.
"""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from engine.models.diffusion_gemma import DiffusionGemma
from engine.tokenizer import read_tokenizer
from engine.training.data import Corpus, Share, batch_of
from engine.training.objective import joint_loss
from engine.training.settings import Settings
from engine.training.train import Run, train

TABLE = Path(__file__).with_name("ablations.toml")
MEASURED = 8  # held-out batches


@dataclass(frozen=True, slots=True)
class Row:
    """A training of `steps` steps; losses in nats a token on held-out text, and the gain on slots
    over the first row (positive is better)."""

    name: str
    parameters: int
    steps: int
    seconds: float
    slot_loss: float
    causal_loss: float
    gain: float


def ablate(
    run: Run, steps: int, names: tuple[str, ...] = (), told: Callable[[Row], None] = print
) -> list[Row]:
    """Train and measure the rows called `names` (none: all) after the baseline, which comes first.

    `run` says on what and where; each row has a folder of its own below `run.folder`, and goes on
    where it was ended.
    """
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    schedule = {"schedule.steps": steps}
    small = changed(run.settings, table["scale"] | schedule)
    held_out = Corpus(run.corpus / "held_out.jsonl", small.data.languages)
    unknown = ", ".join(set(names) - set(table["rows"]))
    if unknown:
        raise ValueError(f"{TABLE.name} has no row {unknown}: it has {', '.join(table['rows'])}")
    rows: list[Row] = []
    for name in dict.fromkeys(("baseline", *(names or table["rows"]))):
        settings = changed(small, table["rows"].get(name, {}))
        started = time.monotonic()
        train(0, replace(run, settings=settings, folder=run.folder / name))
        seconds = time.monotonic() - started
        # Batches are made by the baseline's settings: every row answers the same questions.
        row = measure(name, settings, small, run, held_out, seconds)
        row = replace(row, gain=round(rows[0].slot_loss - row.slot_loss, 3) if rows else 0.0)
        rows.append(row)
        told(row)
    return rows


@torch.no_grad()
def measure(
    name: str, settings: Settings, asked: Settings, run: Run, held_out: Corpus, seconds: float
) -> Row:
    model = DiffusionGemma(settings.config())
    state = load_file(run.folder / name / "state.safetensors")
    kept = {key: tensor for key, tensor in state.items() if key.startswith("model.")}
    model.load_state_dict({key.removeprefix("model."): tensor for key, tensor in kept.items()})
    tokenizer = read_tokenizer(run.tokenizer)
    slots = causal = 0.0
    last = asked.schedule.steps
    for number in range(MEASURED):
        batch = batch_of(asked, tokenizer, held_out, last + number, Share())
        _, slot, clm = joint_loss(model, batch, None, 0.0)
        slots, causal = slots + float(slot), causal + float(clm)
    return Row(
        name=name,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        steps=settings.schedule.steps,
        seconds=round(seconds, 1),
        slot_loss=round(slots / MEASURED, 3),
        causal_loss=round(causal / MEASURED, 3),
        gain=0.0,
    )


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
