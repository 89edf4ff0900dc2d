"""What of a profile fits into a card's memory, by the plan that loading makes (no card is needed),
and the least memory in which each model of the catalog runs.

python benchmarks/fits.py > benchmarks/results/fits.json
"""

from __future__ import annotations

import json
from dataclasses import asdict

import torch

from engine.checkpoints import catalog, plan
from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.derived import profile_of
from engine.checkpoints.files import read_json
from engine.checkpoints.profile import INSTRUCT
from engine.checkpoints.survey import SHAPE, outlook
from engine.models.diffusion_gemma import Config

FREE_GB = (24, 32)


def main() -> None:
    config = Config.from_json(read_json(SHAPE))
    weights = plan.weight_bytes(config, "nvfp4")
    rows = []
    for free in FREE_GB:
        found = plan.choose("diffusiongemma", config, weights, free * plan.GB, INSTRUCT)
        needs = found.needs.total / plan.GB
        rows.append({"free": free, "use": str(found.use), "needs": needs, **asdict(found.use)})
    told = {
        "command": "python benchmarks/fits.py",
        "of": "DiffusionGemma 26B in NVFP4, GB",
        "rows": rows,
        "context_mb": config.context_bytes(1, plan.BF16) / 1e6,
        "step_bytes": rows[-1]["step_bytes"],
        "vocabulary": config.vocab_size,
        "runtime": plan.RUNTIME["cuda"] / plan.GB,
        "models": {catalog.EMBEDDED: embedded(), **published()},
    }
    print(json.dumps(told, indent=1))


def embedded() -> dict[str, int]:
    """Bytes, on each type of device."""
    checkpoint = open_checkpoint(catalog.EMBEDDED_FOLDER)
    return {
        device: plan.least(
            checkpoint.config,
            checkpoint.nbytes,
            profile_of(catalog.EMBEDDED_FOLDER, checkpoint.config, device),
            device,
        ).total
        for device in ("cpu", "cuda")
    }


def published() -> dict[str, dict[str, int]]:
    """Bytes, on each type of device, of the models that can be fetched."""
    looks = [outlook(entry, torch.device("cpu"), None) for entry in catalog.CATALOG]
    return {look.entry.name: {"cpu": look.needs, "cuda": look.on_a_card} for look in looks}


if __name__ == "__main__":
    main()
