"""How near do the kernels and a whole step come to their floors on this card?

    python benchmarks/gpu.py [--seconds 520] [--only steps ...] [--out FOLDER]
    TRITON_INTERPRET=1 INFILL_KERNELS=triton python benchmarks/gpu.py --rehearse

At the shapes of the 26B model, with random weights made on the card: holds every kernel against its
reference and times it; holds a whole step of two layers against float32; times steps in bfloat16,
FP8 and NVFP4; runs compute-sanitizer on tiny shapes, where it is installed; and times
`transformers` on the same weights. Floors are at the bandwidth and the rate measured first.

What matters most comes first. A part that fails, or for which the time would not do, is left out by
name, and the others go on. gpu.md and gpu.json are written after each part, into --out ($OUT, or
benchmarks/results). Ends with status 1 if a check or a part failed. Rehearsed: everything, tiny, on
the CPU.
"""

from __future__ import annotations

import argparse
import copy
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from gpu_report import Check, Report, Row
from limits import Card, floor, step_counts
from random_model import LARGE, TINY, random_cache, random_model

from engine.denoise.canvas import Canvas
from engine.denoise.drivers.captured import CapturedStep, bucket_of
from engine.models.diffusion_gemma import FULL, SLIDING, Config, DiffusionGemma, KVCache
from engine.models.family import FixedSize
from kernels import backend, trials
from kernels.acceptance import EntropyBound

RESULTS = Path(__file__).parent / "results"
FORMATS = ("fp8", "bf16", "nvfp4")
ERROR = 0.03  # of a kernel; a card rounds where the interpreter cuts off, and errs half as much
NONE = float("nan")


@dataclass(frozen=True, slots=True)
class Run:
    """What all parts share."""

    device: torch.device
    config: Config
    sizes: trials.Sizes
    contexts: tuple[int, ...]
    canvases: tuple[tuple[int, int], ...]  # (candidates, tokens of each)
    report: Report
    tiny: bool
    ends: float  # time.monotonic()

    @property
    def left(self) -> float:
        return self.ends - time.monotonic()


# How long each part may take on an H100, seconds; it is not begun with less.
Part = tuple[str, float, Callable[[Run], None]]


def parts() -> list[Part]:
    return [
        *((f"kernels {format}", 40, partial(kernels_of, format=format)) for format in FORMATS),
        *((f"whole step {format}", 20, partial(whole_step, format=format)) for format in FORMATS),
        *((f"steps {format}", 45, partial(steps_of, format=format)) for format in FORMATS),
        ("sanitizer", 60, sanitize),
        ("transformers", 60, compare_transformers),
    ]


@torch.no_grad()
def kernels_of(run: Run, format: str) -> None:
    """Every kernel against its reference, then its time beside what it must move and do."""
    card, report = run.report.card, run.report
    odd = (3, 2, 9) if run.tiny else (17, 3, 77)
    for canvas, candidates, context in (odd, (run.canvases[0][1], 1, run.contexts[0])):
        for trial in trials.trials(
            run.sizes,
            run.device,
            format=format,
            canvas=canvas,
            candidates=candidates,
            context=context,
        ):
            what = f"{trial.name}, {candidates} x {canvas}"
            error = trial.error()
            report.checks.append(Check(what, error, ERROR))
            if candidates == 1 and error <= ERROR:
                moving = trial.bytes / (card.bandwidth * 1e9)
                doing = trial.operations / (card.rate * 1e12)
                lower = 1e3 * max(moving, doing)
                ms = milliseconds(trial.ours, run.device)
                report.rows.append(Row(trial.name, format, context, ms, lower))


@torch.no_grad()
def whole_step(run: Run, format: str) -> None:
    """The second step of a canvas, by kernels and by references in bfloat16, against float32: with
    a layer of each type, at full width. The kernels may err twice as much as the references, and
    twice that in the interpreter, which cuts off where a card rounds."""
    config = replace(run.config, layer_types=(SLIDING, FULL))
    model = random_model(config, format, run.device)
    cache = random_cache(config, run.contexts[0], run.device)
    step = prepared(model, *run.canvases[-1], cache)
    step.run(1, 0.8, seed=1)
    ids, signal = step.look.ids.clone(), step.look.signal.clone()
    step.run(2, 0.7, seed=2)
    ours = step.look.signal.flatten(0, 1).float()  # no position is pinned

    def believed(by: DiffusionGemma, dtype: torch.dtype) -> torch.Tensor:
        keys, values = (tuple(x.to(dtype) for x in each) for each in (cache.keys, cache.values))
        past = replace(cache, keys=keys, values=values)
        logits = by.decode(ids, past, self_conditioning=signal.to(dtype))
        return by.soft_embedding(logits / 0.7).flatten(0, 1).float()

    with references():
        plain = believed(model, torch.bfloat16)
        truth = believed(copy.deepcopy(model).float(), torch.float32)
    errors = [
        float(((each - truth).norm(dim=-1) / truth.norm(dim=-1)).median()) for each in (ours, plain)
    ]
    most = (4 if run.tiny else 2) * errors[1] + 0.005
    run.report.checks.append(Check(f"a whole step, {format}", errors[0], most))


@contextmanager
def references() -> Iterator[None]:
    """Nothing but references, wherever the tensors are."""
    before, backend.FORCED = backend.FORCED, "reference"
    try:
        yield
    finally:
        backend.FORCED = before


def prepared(model: DiffusionGemma, batch: int, width: int, cache: KVCache) -> CapturedStep:
    """A step over random canvases, all of whose positions are open."""
    device, vocabulary = model.device, model.config.vocab_size
    ids = torch.randint(vocabulary, (batch, width), device=device)
    places = torch.arange(width, device=device).expand(batch, width).contiguous()
    canvas = Canvas(ids, places, torch.ones_like(ids, dtype=torch.bool))
    size = FixedSize(batch, width, width, bucket_of(cache.length))
    step = CapturedStep(model.fixed(size), size, EntropyBound(0.1, 0.005, vocabulary), vocabulary)
    step.load(cache, canvas, torch.zeros(vocabulary, dtype=torch.bool, device=device))
    return step


@torch.no_grad()
def steps_of(run: Run, format: str) -> None:
    """Whole steps, all layers."""
    model = random_model(run.config, format, run.device)
    for context in run.contexts:
        cache = random_cache(run.config, context, run.device)
        for batch, width in run.canvases if context == run.contexts[0] else run.canvases[:1]:
            step = prepared(model, batch, width, cache)
            step.run(1, 0.8, seed=1)
            ms = milliseconds(partial(step.run, 2, 0.7, seed=2), run.device)
            counts = step_counts(format, batch, width, context)
            lower = NONE if run.tiny else 1e3 * floor(counts, run.report.card)
            run.report.rows.append(Row(f"step, {batch} x {width}", format, context, ms, lower))
            del step


def sanitize(run: Run) -> None:
    """compute-sanitizer over every kernel at tiny sizes, with an allocation for each tensor."""
    tool = shutil.which("compute-sanitizer")
    if tool is None and not run.tiny:
        run.report.notes.append("compute-sanitizer is not installed: not run")
        return
    command = [sys.executable, __file__, "--checks", *(["--rehearse"] if run.tiny else [])]
    if tool and not run.tiny:
        command = [tool, "--error-exitcode", "9", *command]
    environment = os.environ | {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
    seconds = max(30, run.left / 2)
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment)
    if done.returncode:
        raise RuntimeError(f"status {done.returncode}: {done.stdout[-1500:]}{done.stderr[-500:]}")
    by = "compute-sanitizer" if tool and not run.tiny else "the checks, without a sanitizer,"
    run.report.notes.append(f"{by} found nothing in any kernel at tiny sizes")


def compare_transformers(run: Run) -> None:
    """In a process of its own, which may be stopped: what it has said by then counts."""
    script = Path(__file__).with_name("with_transformers.py")
    context = run.contexts[0]
    command = [sys.executable, str(script), "--context", str(context)]
    command += ["--tiny"] if run.tiny else []
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(command, stdout=out, stderr=err)
        try:
            status = child.wait(timeout=max(10, run.left - 10))
        except subprocess.TimeoutExpired:
            run.report.notes.append("transformers: stopped, for the time was up")
            child.kill()
            child.wait()
            status = 0
        out.seek(0)
        err.seek(0)
        found: dict[str, float] = {}
        for line in out:
            if line.startswith("{"):
                found |= json.loads(line)
        said = err.read()[-400:]
    if "disagreement" in found:
        run.report.notes.append(
            f"our logits are {found['disagreement']:.1%} from those of transformers, in the median"
        )
    for name in ("eager", "compiled"):
        if f"{name}_ms" in found:
            ms = found[f"{name}_ms"]
            run.report.rows.append(Row(f"transformers, {name}", "bf16", context, ms, NONE))
    if status:
        raise RuntimeError(f"status {status}: {said}")


def milliseconds(run: Callable[[], object], device: torch.device, repeats: int = 15) -> float:
    """Median, with a cold L2: 256 MiB are written in between. NaN without a card."""
    if device.type != "cuda":
        run()
        return NONE
    flush = torch.empty(256 << 20, dtype=torch.uint8, device=device)
    for _ in range(3):
        run()
    times = []
    for _ in range(repeats):
        flush.zero_()
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return sorted(times)[len(times) // 2]


def measured_card(device: torch.device) -> Card:
    """What this card does when asked for nothing else: one large read, one large product."""
    if device.type != "cuda":
        return Card("the interpreter", 1.0, 1.0, 0)
    large = torch.empty(2 << 30, dtype=torch.uint8, device=device).view(torch.int64)
    bandwidth = large.nbytes / milliseconds(large.sum, device) / 1e6
    square = torch.randn(8192, 8192, device=device).bfloat16()
    rate = 2 * 8192**3 / milliseconds(lambda: square @ square, device) / 1e9
    properties = torch.cuda.get_device_properties(device)
    return Card(properties.name, bandwidth, rate, properties.total_memory / 1e9)


def perform(run: Run, only: list[str]) -> None:
    for name, seconds, part in parts():
        if only and not any(name.startswith(each) for each in only):
            continue
        report = run.report
        if run.left < seconds and not run.tiny:
            report.notes.append(f"{name}: left out, with {run.left:.0f} s to go")
            continue
        began = time.monotonic()
        try:
            torch.manual_seed(0)
            part(run)
        except Exception as error:  # whatever it was, the other parts are worth running
            traceback.print_exc()
            report.failures.append(f"{name}: {type(error).__name__}: {str(error)[-300:]}")
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        gc.collect()
        if run.device.type == "cuda":
            torch.cuda.empty_cache()
        report.save()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=520, help="that it may take in all")
    parser.add_argument("--only", nargs="*", default=[], help="parts whose name begins so")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", RESULTS)))
    parser.add_argument("--rehearse", action="store_true", help="tiny, and on the CPU")
    parser.add_argument("--checks", action="store_true", help="tiny, the kernels' checks alone")
    given = parser.parse_args()
    began = time.monotonic()
    if not given.rehearse and not torch.cuda.is_available():
        print("There is no CUDA device: --rehearse runs this on the CPU", file=sys.stderr)
        return 2
    device = torch.device("cpu" if given.rehearse else "cuda")
    tiny = given.rehearse or given.checks
    report = Report(Card("", 1, 1, 0) if given.checks else measured_card(device), given.out)
    run = Run(
        device=device,
        config=TINY if tiny else LARGE,
        sizes=trials.TINY if tiny else trials.Sizes(),
        contexts=(20,) if tiny else (2048, 16384),
        canvases=((1, 5), (2, 3)) if tiny else ((1, 256), (8, 32)),
        report=report,
        tiny=tiny,
        ends=began + given.seconds,
    )
    if given.checks:
        for format in FORMATS:
            kernels_of(run, format)
    else:
        perform(run, given.only)
        report.notes.append(f"{time.monotonic() - began:.0f} s in all")
        report.save()
    print(report.text())
    return int(report.failed)


if __name__ == "__main__":
    sys.exit(main())
