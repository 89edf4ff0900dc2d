"""What of a profile fits into a card's memory, by the plan that loading makes (no card is needed).

python benchmarks/fits.py > benchmarks/results/fits.json
"""

from __future__ import annotations

import json
from dataclasses import asdict

from engine.checkpoints import plan
from engine.checkpoints.files import read_json
from engine.checkpoints.profile import INSTRUCT
from engine.checkpoints.survey import SHAPE
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
        "context_mb": plan.context_bytes(config, 1) / 1e6,
        "step_bytes": rows[-1]["step_bytes"],
        "vocabulary": config.vocab_size,
        "runtime": plan.RUNTIME["cuda"] / plan.GB,
    }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
