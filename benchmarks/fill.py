"""How long does one fill of a line take, with the model warm?

    python benchmarks/fill.py [--json] [--model embedded] [--fills 60] [--threads N]

Every gap is the rest of a line in a real file, under a prefix of 200 lines. Two cases:

    cold    nothing of the prefix is cached: a file has just been opened
    typing  the user has typed a line since the last fill: its prefix is cached up to there

Beside the times stands the floor: the multiplications that such a fill needs, at the rate this
machine multiplies matrices of the model's size.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import random
import time
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import torch

from engine.api import Fill, FillRequest, Shape
from engine.infill import LocalEngine, load_engine

PREFIX_LINES = 200


@dataclass(frozen=True, slots=True)
class Timing:
    """One case, in milliseconds; `floor` is a lower bound for its median fill."""

    case: str
    fills: int
    p50: float
    p95: float
    steps: float
    canvas_tokens: float
    floor: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--model", default="embedded", help="embedded, or a model folder")
    parser.add_argument("--fills", type=int, default=60, help="fills per case")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads for torch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    engine = load_engine(arguments.model, "cpu")
    gaps = cut_gaps(arguments.fills)
    engine.fill(gaps[0])
    rate = multiply_rate(engine)
    timings = [
        measure("cold", engine, gaps, rate, typed=None),
        measure("typing", engine, gaps, rate, typed=1),
    ]
    print(as_json(engine, rate, timings) if arguments.json else as_table(engine, rate, timings))


def cut_gaps(count: int) -> list[FillRequest]:
    """Rests of lines from `rich`, which the embedded model was not trained on."""
    spec = importlib.util.find_spec("rich.console")
    if spec is None or spec.origin is None:
        raise SystemExit("rich is not installed: run `make setup`")
    lines = Path(spec.origin).read_text(encoding="utf-8").splitlines(keepends=True)
    rng = random.Random(7)
    gaps: list[FillRequest] = []
    while len(gaps) < count:
        number = rng.randrange(PREFIX_LINES, len(lines) - 20)
        line = lines[number].rstrip("\n")
        indent = len(line) - len(line.lstrip())
        if len(line) - indent < 4 or line.lstrip().startswith("#"):
            continue
        column = rng.randrange(indent + 1, len(line))
        prefix = "".join(lines[number - PREFIX_LINES : number]) + line[:column]
        suffix = "\n" + "".join(lines[number + 1 : number + 40])
        gaps.append(FillRequest(texts=(prefix, suffix), shape=Shape.LINE))
    return gaps


def measure(
    case: str, engine: LocalEngine, gaps: list[FillRequest], rate: float, typed: int | None
) -> Timing:
    """Time every gap; `typed` lines before each were not there at the fill before it."""
    milliseconds: list[float] = []
    fills: list[Fill] = []
    for gap in gaps:
        prefix, suffix = gap.texts
        if typed is None:
            engine.fill(FillRequest(texts=("", "\n"), shape=Shape.LINE))
        else:
            above = "".join(prefix.splitlines(keepends=True)[: -1 - typed])
            engine.fill(FillRequest(texts=(above, suffix), shape=Shape.LINE))
        started = time.perf_counter()
        fills.append(engine.fill(gap))
        milliseconds.append(1e3 * (time.perf_counter() - started))
    milliseconds.sort()
    steps = sum(fill.steps for fill in fills) / len(fills)
    canvas = sum(fill.canvas_tokens for fill in fills) / len(fills)
    return Timing(
        case=case,
        fills=len(fills),
        p50=round(milliseconds[len(milliseconds) // 2], 1),
        p95=round(milliseconds[int(0.95 * len(milliseconds))], 1),
        steps=round(steps, 1),
        canvas_tokens=round(canvas, 1),
        floor=round(1e3 * operations(engine, steps * canvas) / rate, 1),
    )


def operations(engine: LocalEngine, tokens: float) -> float:
    """Multiplications and additions of `tokens` canvas positions through every active weight."""
    config = engine.model.config
    unused = 1 - config.top_k_experts / config.num_experts
    weights = sum(p.numel() for p in engine.model.layers.parameters())
    idle = unused * sum(p.numel() for n, p in engine.model.named_parameters() if ".experts." in n)
    return 2 * tokens * (weights - idle)


def multiply_rate(engine: LocalEngine) -> float:
    """Operations a second of a matrix product as a layer of this model does it."""
    rows, hidden = 288, engine.model.config.hidden_size
    left = torch.randn(rows, hidden, dtype=engine.model.dtype)
    right = torch.randn(hidden, 4 * hidden, dtype=engine.model.dtype)
    best = float("inf")
    for _ in range(50):
        started = time.perf_counter()
        for _ in range(20):
            left @ right
        best = min(best, time.perf_counter() - started)
    return 20 * 2 * left.shape[0] * hidden * right.shape[1] / best


def environment(engine: LocalEngine, rate: float) -> dict[str, object]:
    return {
        "model": engine.info.model,
        "dtype": str(engine.model.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "processor": platform.processor() or platform.machine(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "gigaflops": round(rate / 1e9, 1),
        "torch": metadata.version("torch"),
        "python": platform.python_version(),
    }


def as_json(engine: LocalEngine, rate: float, timings: list[Timing]) -> str:
    document = {**environment(engine, rate), "timings": [asdict(timing) for timing in timings]}
    return json.dumps(document, indent=2)


def as_table(engine: LocalEngine, rate: float, timings: list[Timing]) -> str:
    facts = ", ".join(f"{key} {value}" for key, value in environment(engine, rate).items())
    rows = [
        f"| {t.case} | {t.fills} | {t.p50:.0f} ms | {t.p95:.0f} ms | {t.steps} | "
        f"{t.canvas_tokens:.0f} | {t.floor:.0f} ms |"
        for t in timings
    ]
    head = "| case | fills | p50 | p95 | steps | canvas tokens | floor |"
    return "\n".join([facts, "", head, "|---" * 7 + "|", *rows])


if __name__ == "__main__":
    main()
