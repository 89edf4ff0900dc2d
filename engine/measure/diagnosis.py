"""`python -m engine.measure.diagnosis LOOK ...`: what only a process with torch can tell.

For processes that must not load torch. Of each look (`torch`, `kernel`, `model`), in the order in
which they are named, one line of JSON on stdout as soon as it is done: {"look": ..., "found": ...}.
It reports what is wrong; a look without a line has ended the process.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch

from engine.api import EngineError

TOLERANCE = 2e-2  # between bfloat16 and float32, for values around 1


def main(arguments: list[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    looks: dict[str, Callable[[], dict[str, Any]]] = {
        "torch": look_at_torch,
        "kernel": lambda: run_a_kernel(_device(options.device)),
        "model": lambda: look_at_model(options.model, _device(options.device)),
    }
    for look in options.looks:
        print(json.dumps({"look": look, "found": looks[look]()}), flush=True)


def look_at_torch() -> dict[str, Any]:
    """Its version, the CUDA it was built for (None without), the cards, and why there are none."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
        cards = [_card(index) for index in range(torch.cuda.device_count() if available else 0)]
    return {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "cards": cards,
        "warnings": [str(each.message).strip().splitlines()[0] for each in caught],
    }


def run_a_kernel(device: torch.device) -> dict[str, Any]:
    """A norm over rows as wide as DiffusionGemma's: what ran, where, how far it is from the
    reference in float32, and the milliseconds of a run once it is compiled."""
    from kernels.backend import uses_kernels
    from kernels.norm import rms_norm, rms_norm_reference

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 2816, generator=generator)
    weight = torch.randn(2816, generator=generator)
    here = x.to(device, torch.bfloat16), weight.to(device, torch.bfloat16)
    with torch.no_grad():
        ran = "Triton" if uses_kernels(*here) else "the reference"
        found = rms_norm(*here, 1e-6).float().cpu()
        began = time.perf_counter()
        rms_norm(*here, 1e-6).cpu()
        seconds = time.perf_counter() - began
    expected = rms_norm_reference(here[0].float().cpu(), here[1].float().cpu(), 1e-6)
    off = float(((found - expected).abs() / expected.abs().clamp_min(1.0)).max())
    return {
        "device": str(device),
        "ran": ran,
        "off": off,
        "right": off < TOLERANCE,
        "milliseconds": 1e3 * seconds,
    }


def look_at_model(name: str, device: torch.device) -> dict[str, Any]:
    """Its files, by their headers alone, and what of its profile the memory of `device` allows.

    `fault` says which part is wrong ("files" or "memory") and why; the rest is what was found.
    """
    from engine.checkpoints import calibration, plan
    from engine.checkpoints.catalog import by_way_of, folder_of
    from engine.checkpoints.checkpoint import open_checkpoint
    from engine.checkpoints.derived import profile_of
    from engine.checkpoints.load import compute_dtype
    from engine.checkpoints.memory import free_bytes
    from engine.checkpoints.profile import FEATURES
    from engine.checkpoints.suited import suited
    from engine.checkpoints.tokenizer import tokenizer_of

    report: dict[str, Any] = {"device": str(device), "free": free_bytes(device), "fault": None}
    part = "files"
    try:
        name = suited(name, device)
        folder = folder_of(name)
        checkpoint = open_checkpoint(folder, by_way_of(name)[0])
        profile = profile_of(folder, checkpoint.config, device.type)
        fitted = calibration.read(name, calibration.identity_of(folder), FEATURES)
        is_calibrated = bool(profile.ranking.calibration) or fitted is not None
        report["confidence"] = "calibrated" if is_calibrated else "not calibrated"
        tokenizer_of(folder)
        report |= {"folder": str(folder), "format": checkpoint.format, "bytes": checkpoint.nbytes}
        part = "memory"
        chosen = plan.fit(name, checkpoint, profile, device, compute_dtype(device))
        report |= {"use": str(chosen), "needs": str(chosen.needs)}
        report["is_cut_down"] = chosen.profile != profile
    except EngineError as error:
        report["fault"] = {"of": part, "message": str(error)}
    return report


def _card(index: int) -> dict[str, Any]:
    free, total = torch.cuda.mem_get_info(index)
    major, minor = torch.cuda.get_device_capability(index)
    return {
        "name": torch.cuda.get_device_name(index),
        "capability": f"{major}.{minor}",
        "free": free,
        "total": total,
    }


def _device(given: str | None) -> torch.device:
    return torch.device(given or ("cuda" if torch.cuda.is_available() else "cpu"))


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.measure.diagnosis")
    parser.add_argument("looks", nargs="+", choices=("torch", "kernel", "model"))
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--device")
    return parser


if __name__ == "__main__":
    main()
