"""`python -m engine.checkpoints.survey`: what is here, and what would run well, as one JSON object.

For processes that must not load torch.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from engine.api import EngineError
from engine.checkpoints import catalog, plan
from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.files import read_json
from engine.checkpoints.profile import INSTRUCT, read_profile
from engine.models.family import Architecture, architecture_of

SHAPE = Path(__file__).parent / "diffusion_gemma_26b.json"


def survey() -> dict[str, Any]:
    """The card (None without one), and for each model of the catalog: where it is, what is wrong
    with it, what it needs, and whether and how it would run on the card."""
    config = architecture_of(read_json(SHAPE))
    sizes = {format: plan.weight_bytes(config, format) for format in plan.BEST_FIRST}
    card = _card()
    released = dict.fromkeys(sizes, INSTRUCT)
    best = plan.best_format(config, card["free"], sizes, released) if card else None
    models = [_describe(entry, config, sizes[entry.format], card) for entry in catalog.CATALOG]
    for entry, model in zip(catalog.CATALOG, models, strict=True):
        model["best"] = best is not None and best[0] == entry.format
    return {"store": str(catalog.store()), "card": card, "models": models}


def _describe(
    entry: catalog.Entry, config: Architecture, weights: int, card: dict[str, Any] | None
) -> dict[str, Any]:
    folder = catalog.store() / entry.name
    described: dict[str, Any] = {
        **asdict(entry),
        "here": catalog.receipt(folder) is not None,
        "folder": str(folder),
        "needs": plan.needs(config, weights, plan.LADDER[0]).total,
        "runs": None,
        "fault": None,
    }
    profile = INSTRUCT
    try:
        if described["here"]:
            profile = read_profile(folder)
            checkpoint = open_checkpoint(folder)
            config = checkpoint.config
            weights = plan.loaded_bytes(checkpoint, torch.bfloat16, packed=True)
        if card:
            chosen = plan.choose(entry.name, config, weights, card["free"], profile)
            described["runs"] = {"use": str(chosen.use), "needs": str(chosen.needs)}
    except EngineError as error:
        described["fault"] = str(error)
    return described


def _card() -> dict[str, Any] | None:
    if not torch.cuda.is_available():
        return None
    free, total = torch.cuda.mem_get_info()
    major, minor = torch.cuda.get_device_capability()
    name = torch.cuda.get_device_name()
    return {"name": name, "free": free, "total": total, "capability": f"{major}.{minor}"}


if __name__ == "__main__":
    print(json.dumps(survey()))
