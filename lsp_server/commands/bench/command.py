"""The command: the engine by itself, then the way through the server, and both as one text."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.api import EngineError
from lsp_server import child
from lsp_server.commands.bench.typist import type_and_ask
from lsp_server.commands.console import terminal
from lsp_server.commands.doctor.packages import version_of
from lsp_server.commands.fault import FAILED, CommandError, engine_fault
from lsp_server.commands.options import Device, Factory, Model

CPUINFO = Path("/proc/cpuinfo")
PACKAGES = ("infill-ls", "torch", "triton")


def command(
    model: Model = "embedded",
    device: Device = None,
    fills: Annotated[int, typer.Option(min=2, metavar="N", help="How many to time.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    factory: Factory = None,
) -> None:
    """Time ghost text on this machine, as text that can be pasted into an issue.

    Nothing leaves this machine. Close what keeps it busy first; on a card, `infill-ls engine stop`
    frees the memory of the engine that your editor uses.
    """
    console = terminal(stderr=True)
    with console.status("timing the engine by itself"):
        inner = None if factory else engine_speed(model, device, fills)
    with console.status("timing ghost text through the server"):
        try:
            times, info = type_and_ask(model, device, factory, fills)
        except EngineError as error:
            raise engine_fault(error) from error
        except (TimeoutError, OSError) as error:
            raise CommandError(
                f"the language server gave no answer ({error or 'it took too long'}): run"
                " `infill-ls doctor`",
                FAILED,
            ) from error
    found = {
        "model": info.model,
        "device": info.device,
        "machine": machine(),
        "versions": {name: version_of(name) for name in PACKAGES},
        "ghost_text": {
            "place": quantiles(times.place),
            "key": quantiles(times.key),
            "asked": len(times.place) + len(times.key),
            "shown": times.shown,
        },
        "engine": inner,
    }
    print(json.dumps(found) if as_json else as_markdown(found))


def engine_speed(model: str, device: str | None, fills: int) -> dict[str, Any]:
    """What `engine.measure.speed` tells, in a process that ends before the server's engine begins:
    a card may not hold the model twice."""
    asked = ["--model", model, "--fills", str(fills), *(["--device", device] if device else [])]
    run = subprocess.run(
        child.command("engine.measure.speed", *asked),
        capture_output=True,
        text=True,
        env=child.environment(),
    )
    try:
        report = dict(json.loads(run.stdout))
    except ValueError:
        last = (run.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise CommandError(f"the engine cannot be timed: {last}", FAILED) from None
    if "error" in report:
        raise CommandError(report["error"], FAILED)
    return report


def quantiles(milliseconds: list[float]) -> dict[str, float]:
    ordered = sorted(milliseconds)
    return {
        f"p{share}": round(ordered[min(len(ordered) - 1, len(ordered) * share // 100)], 1)
        for share in (50, 95)
    }


def machine() -> dict[str, Any]:
    return {
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def as_markdown(found: dict[str, Any]) -> str:
    here, versions, ghost, inner = (
        found[name] for name in ("machine", "versions", "ghost_text", "engine")
    )
    packages = ", ".join(f"{name} {version or 'absent'}" for name, version in versions.items())
    rows = [
        f"**{found['model']}** on {found['device']}: {here['processor']}, {here['cores']} cores,"
        f" {here['system']}, Python {here['python']}, {packages}",
        "",
        "| ghost text, milliseconds | p50 | p95 |",
        "| --- | ---: | ---: |",
        f"| at another place | {ghost['place']['p50']} | {ghost['place']['p95']} |",
        f"| a key later | {ghost['key']['p50']} | {ghost['key']['p95']} |",
        "",
        f"{ghost['shown']} of {ghost['asked']} requests were answered with a text.",
    ]
    return "\n".join([*rows, *(_of_the_engine(inner) if inner else [])])


def _of_the_engine(inner: dict[str, Any]) -> list[str]:
    step, prompt, rates = inner["step"], inner["prompt"], inner["rates"]
    shape = step["shape"]
    canvases = f"{shape['candidates']} canvases of {shape['canvas']}"
    took = "-" if step["milliseconds"] is None else f"{step['milliseconds']:.2f}"
    card = f" on {inner['card']}" if inner.get("card") else ""
    return [
        "",
        "| engine | measured | floor |",
        "| --- | ---: | ---: |",
        f"| one step, {canvases}, ms | {took} | {step['floor']:.2f} |",
        f"| a prompt of {prompt['tokens']} tokens, ms | {prompt['cold']:.1f} | |",
        f"| the same after a line was typed, {100 * prompt['reused']:.0f}% reused, ms"
        f" | {prompt['typed']:.1f} | |",
        f"| tokens per second, blocks | {inner['block']['tokens_per_second']:.1f} | |",
        "",
        f"{inner['format']} weights, {inner['dtype']}{card}, {inner['threads']} threads."
        f" The floor takes {rates['bandwidth'] / 1e9:.1f} GB/s and"
        f" {rates['operations'] / 1e12:.2f} TFLOP/s, as measured here.",
    ]


def _processor() -> str:
    """The name of its kind, where the system tells."""
    try:
        report = re.search(r"^model name\s*: (.+)$", CPUINFO.read_text("ascii", "replace"), re.M)
    except OSError:
        report = None
    return report[1].strip() if report else platform.processor() or platform.machine()
