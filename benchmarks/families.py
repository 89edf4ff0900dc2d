"""How long does a line take with a masked model of half a billion parameters, on a processor?

    python benchmarks/families.py [--json] [--model NAME] [--fills 5] [--threads 2] [--layers N]

Without a model its weights are random, at the shape of Open-dCoder-0.5B, and so is what it writes:
it is sure of nothing, so that every fill takes all its steps. With the name of a model that was
pulled, or a folder, those weights are measured. Gaps are the rests of lines in a real file.

Beside the time of a step stands its floor: the weights read once and the multiplications of all
canvases with their prompts, at the bandwidth and the rate that this machine shows here. Beside the
most memory that the process held stands what was planned for it (engine/checkpoints/plan.py), which
is without the libraries.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import sys
import time
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from fill import cut_gaps

from engine.api import Draft, EngineInfo, FillRequest
from engine.checkpoints import catalog, plan
from engine.checkpoints.load import compute_dtype
from engine.checkpoints.profile import Profile
from engine.checkpoints.survey import released
from engine.checkpoints.tokenizer import tokenizer_of
from engine.fill.infill import LocalEngine
from engine.fill.load import load_engine
from engine.measure.speed import device_rates
from engine.models.family import Architecture, StepSize, Work, build, prepared

SHAPE = "open-dcoder-0.5b"
CPU = torch.device("cpu")
GIB = 1 << 30
Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """One fill: seconds of it and, in the median, of one of its steps."""

    seconds: float
    step: float
    steps: int
    canvas_tokens: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--model", help="a model that was pulled, or a folder")
    parser.add_argument("--fills", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="threads for torch")
    parser.add_argument("--layers", type=int, help="of the random model; fewer are a trial")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    libraries = peak()
    engine = random_engine(given.layers) if given.model is None else load_engine(given.model, "cpu")
    loaded = peak()
    gaps = cut_gaps(given.fills + 1)
    fill(engine, gaps[0])  # the first of its sizes compiles products
    runs = [fill(engine, gap) for gap in gaps[1:]]
    told = facts(engine, runs, libraries, loaded)
    print(
        json.dumps({**told, "runs": [asdict(run) for run in runs]}) if given.json else table(told)
    )


def random_engine(layers: int | None) -> LocalEngine:
    """Of random weights at the shape of SHAPE, made one by one; with the tokenizer that ships: what
    of the vocabulary has no text is scored like the rest, and never written."""
    config, profile = released(catalog.find(SHAPE), CPU)
    if layers is not None:
        config = replace(cast(Any, config), num_hidden_layers=layers)
    dtype = compute_dtype(CPU)
    with torch.device("meta"):
        model = build(config)
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in plan.shapes(config).items():
        noise = torch.randn(shape, generator=generator, dtype=dtype)
        state[name] = 1 + 0.1 * noise if "norm" in name else noise * 0.02
    model.load_state_dict(state, assign=True)
    del state
    model = prepared(model.eval().requires_grad_(False))
    assert isinstance(model, nn.Module)
    tokenizer = tokenizer_of(catalog.EMBEDDED_FOLDER)
    info = EngineInfo(f"random, {SHAPE}", "cpu", confidence="not calibrated")
    # The ends of a text are those of the tokenizer.
    return LocalEngine(model, tokenizer, profile.but(eos=1, pad=0, first_text=16), info)


def fill(engine: LocalEngine, gap: FillRequest) -> Run:
    seen: list[float] = []

    def stamp(_: Draft) -> None:
        seen.append(time.perf_counter())

    began = time.perf_counter()
    done = engine.fill(gap, stamp)
    took = time.perf_counter() - began
    apart = [after - before for before, after in pairwise(seen)]
    step = statistics.median(apart) if apart else took
    return Run(took, step, done.steps, done.canvas_tokens)


def facts(engine: LocalEngine, runs: list[Run], libraries: int, loaded: int) -> Facts:
    seconds = sorted(run.seconds for run in runs)
    config, profile, dtype = engine.model.config, engine.profile, engine.model.dtype
    size = size_of(profile, runs)
    rates, work = device_rates(CPU, dtype), work_of(config, size, dtype)
    weights = sum(shape.numel() * dtype.itemsize for shape in plan.shapes(config).values())
    use = plan.use_of(profile, profile.canvas.prompt_tokens)
    planned = plan.needs(config, weights, use, "cpu", dtype.itemsize)
    return {
        "model": engine.info.model,
        "dtype": str(dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "processor": platform.processor() or platform.machine(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "torch": metadata.version("torch"),
        "fills": len(runs),
        "p50": statistics.median(seconds),
        "worst": seconds[-1],
        "steps": statistics.mean(run.steps for run in runs),
        "step": statistics.median(run.step for run in runs),
        "floor": rates.seconds(work),
        "shape": asdict(size),
        "bytes": work.bytes,
        "operations": work.operations,
        "bandwidth": rates.bandwidth,
        "rate": rates.operations,
        "libraries": libraries,
        "loaded": loaded,
        "peak": peak(),
        "planned": planned.total,
    }


def size_of(profile: Profile, runs: list[Run]) -> StepSize:
    lengths = profile.canvas.line_tokens
    canvas = round(statistics.median(run.canvas_tokens for run in runs) / len(lengths))
    return StepSize(
        len(lengths), canvas, max(lengths), profile.canvas.prompt_tokens, self_conditioning=False
    )


def work_of(config: Architecture, size: StepSize, dtype: torch.dtype) -> Work:
    total = config.attention_work(size, dtype.itemsize)
    for name, shape in plan.shapes(config).items():
        stored = float(shape.numel() * dtype.itemsize)
        total += config.weight_work(name, tuple(shape), stored, size)
    return total


def peak() -> int:
    """Bytes that this process has held at most."""
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else 1024 * found


def table(told: Facts) -> str:
    shape = told["shape"]
    step, floor = 1e3 * told["step"], 1e3 * told["floor"]
    lines = [
        f"{told['model']}, {told['dtype']}, {told['threads']} threads of {told['processor']}"
        f" ({told['capability']}), torch {told['torch']}",
        "",
        "| | a fill, p50 | worst | steps | a step, p50 | floor | memory at its most | planned |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        f"| {told['fills']} lines | {told['p50']:.1f} s | {told['worst']:.1f} s"
        f" | {told['steps']:.1f} | {step:.0f} ms | {floor:.0f} ms"
        f" | {told['peak'] / GIB:.2f} GiB | {told['planned'] / GIB:.2f} GiB |",
        "",
        f"A step: {shape['candidates']} canvases of {shape['canvas']} tokens after"
        f" {shape['context']}, at {told['bandwidth'] / 1e9:.0f} GB/s and"
        f" {told['rate'] / 1e12:.2f} Tflop/s. Of the memory {told['libraries'] / GIB:.2f} GiB are"
        " libraries.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
