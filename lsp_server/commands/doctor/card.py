"""The graphics card, from its driver over torch to a kernel that runs. None at all is fine too."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lsp_server.commands.doctor.asking import AskEngine, NoAnswer, ask
from lsp_server.commands.doctor.finding import Finding, ok, warning, wrong
from lsp_server.commands.doctor.packages import AGAIN

DRIVER_VERSION = Path("/proc/driver/nvidia/version")
DRIVER_PATIENCE = 10.0  # seconds
TORCH_PATIENCE = 60.0  # the first import after an installation compiles and reads a lot
KERNEL_PATIENCE = 120.0  # the first run compiles it
OLDEST_CAPABILITY = (8, 0)  # Ampere: the first that multiplies bfloat16
QUERY = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
ON_THE_PROCESSOR = "none: the embedded model runs on the processor"


def driver() -> Finding:
    if not has_driver():
        return ok("driver", "no NVIDIA driver, and none is needed for the embedded model")
    try:
        version = ask(QUERY, DRIVER_PATIENCE).split()[0]
    except (NoAnswer, IndexError) as why:
        return wrong(
            "driver",
            f"nvidia-smi fails: {why}",
            "restart the machine; if it stays so, install the NVIDIA driver again",
        )
    return ok("driver", f"NVIDIA {version}")


def torch(device: str | None, ask_engine: AskEngine) -> Iterator[Finding]:
    """Imported, not only looked for: half an installation is there and fails. Then the card that it
    finds."""
    try:
        report = ask_engine(TORCH_PATIENCE, "torch")
    except NoAnswer as why:
        yield wrong("torch", f"it cannot be used: {why}", AGAIN)
        return
    built = f"built for CUDA {report['cuda']}" if report["cuda"] else "built without CUDA"
    yield ok("torch", f"{report['version']}, {built}")
    yield card(report, device)


def card(report: dict[str, Any], device: str | None) -> Finding:
    """The card that the model would run on; `told` is what `engine.measure.diagnosis torch`
    says."""
    if not report["cards"]:
        return _no_card(report, device)
    found = report["cards"][_index(device)] if _index(device) < len(report["cards"]) else None
    if found is None:
        return wrong(
            "card",
            f"there is no {device}: this machine has {len(report['cards'])}",
            "choose another device, or leave it out",
        )
    name, capability = found["name"], found["capability"]
    message = f"{name}, compute capability {capability}"
    if tuple(map(int, capability.split("."))) < OLDEST_CAPABILITY:
        oldest = ".".join(map(str, OLDEST_CAPABILITY))
        return warning(
            "card",
            f"{message}: the kernels need {oldest} or more",
            'use the processor: set infill.device to "cpu"',
        )
    return ok("card", message)


def kernel(ask_engine: AskEngine) -> Finding:
    """Run, not only looked for: compiler, driver and card have to agree."""
    try:
        report = ask_engine(KERNEL_PATIENCE, "kernel")
    except NoAnswer as why:
        return wrong(
            "kernel",
            f"one that was tried fails: {why}",
            'set INFILL_KERNELS=reference to go without them, or infill.device to "cpu"',
        )
    message = f"{report['ran']} on {report['device']}, {report['milliseconds']:.2f} ms"
    if not report["right"]:
        return wrong(
            "kernel",
            f"{message}: its result is off by {report['off']:.2g}",
            "set INFILL_KERNELS=reference, and report it with what `infill-ls doctor` prints",
        )
    if report["device"].startswith("cuda") and report["ran"] != "Triton":
        return warning("kernel", f"{message}: a card is fast with Triton alone", AGAIN)
    return ok("kernel", f"{message}, as the reference has it")


def has_driver() -> bool:
    return shutil.which("nvidia-smi") is not None or DRIVER_VERSION.exists()


def _no_card(report: dict[str, Any], device: str | None) -> Finding:
    if not has_driver():
        if device is not None and device.startswith("cuda"):
            return wrong("card", f"{device} is asked for, and there is no card", "leave it out")
        return ok("card", ON_THE_PROCESSOR)
    if report["cuda"] is None:
        return wrong(
            "card",
            f"there is a driver, and torch {report['version']} is built without CUDA",
            "install a torch that is built for CUDA, then infill-ls into the same environment",
        )
    why = "; ".join(report["warnings"]) or "it gives no reason"
    return wrong(
        "card",
        f"there is a driver, and torch (built for CUDA {report['cuda']}) finds no card: {why}",
        "update the NVIDIA driver; in a container pass the card in; look at CUDA_VISIBLE_DEVICES",
    )


def _index(device: str | None) -> int:
    """Of "cuda:1", 1."""
    number = (device or "").partition(":")[2]
    return int(number) if number.isdigit() else 0
