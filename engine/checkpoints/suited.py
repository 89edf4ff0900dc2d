"""`diffusiongemma`: whichever format of it suits the memory that is free."""

from __future__ import annotations

import torch

from engine.api import ModelMissing
from engine.checkpoints import plan
from engine.checkpoints.catalog import CATALOG, FAMILY, receipt, store
from engine.checkpoints.files import read_json
from engine.checkpoints.memory import free_bytes
from engine.checkpoints.packed import stays_packed
from engine.checkpoints.profile import read_profile
from engine.checkpoints.survey import SHAPE
from engine.models.family import architecture_of


def suited(model: str, device: torch.device) -> str:
    """The name of the pulled format that suits `device` best, if `model` names the family; else
    `model` itself. Raises ModelMissing when none of them is here.

    Where none fits it is the smallest, whose own message then says what would.
    """
    if model != FAMILY:
        return model
    of_family = [entry for entry in CATALOG if entry.family == FAMILY]
    here = {entry.format: entry for entry in of_family if receipt(store() / entry.name) is not None}
    if not here:
        raise ModelMissing(f"no {FAMILY} is here yet: run `infill-ls pull {FAMILY}`")
    config = architecture_of(read_json(SHAPE))
    sizes = {
        format: plan.weight_bytes(config, format if stays_packed(device) else "bf16")
        for format in here
    }
    free = free_bytes(device)
    profiles = {format: read_profile(store() / entry.name) for format, entry in here.items()}
    best = None if free is None else plan.best_format(config, free, sizes, profiles, device.type)
    chosen = best[0] if best is not None else min(here, key=lambda each: here[each].download)
    return here[chosen].name
