"""`python -m engine.measure.step_floor`: the least time of a denoising step here, as JSON.

For processes that must not load torch, and that have a fill's time to compare. Loads no weights.
"""

from __future__ import annotations

import argparse
import json
import statistics
from typing import Any

import torch

from engine.api import EngineError
from engine.checkpoints import catalog
from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.derived import profile_of
from engine.checkpoints.load import compute_dtype
from engine.checkpoints.packed import stays_packed
from engine.checkpoints.suited import suited
from engine.measure.floor import step_work
from engine.measure.speed import device_rates
from engine.models.family import StepSize


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m engine.measure.step_floor")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--device")
    parser.add_argument("--canvas", type=int, default=128, help="tokens of all canvases together")
    options = parser.parse_args(arguments)
    try:
        print(json.dumps(step_floor(options.model, options.device, options.canvas)))
    except EngineError as error:
        print(json.dumps({"error": str(error)}))


def step_floor(model: str, device: str | None, canvas_tokens: int) -> dict[str, Any]:
    """The seconds, bytes and operations of a step over `canvas_tokens`, which the profile's
    candidates share; the text around the gap is not counted. Raises EngineError."""
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    runtime, name = catalog.by_way_of(model)
    folder = catalog.folder_of(suited(name, chosen))
    checkpoint, dtype = open_checkpoint(folder, runtime), compute_dtype(chosen)
    profile = profile_of(folder, checkpoint.config, chosen.type)
    lengths = profile.canvas.line_tokens
    step = StepSize(
        candidates=len(lengths),
        canvas=max(1, canvas_tokens // len(lengths)),
        open=round(statistics.mean(lengths)),
        context=0,
        self_conditioning=profile.sampling.self_conditioning,
    )
    work = step_work(checkpoint, dtype, stays_packed(chosen), step)
    return {
        "seconds": device_rates(chosen, dtype).seconds(work),
        "bytes": work.bytes,
        "operations": work.operations,
    }


if __name__ == "__main__":
    main()
