"""How long does one fill of a line take, with the model warm?

    python benchmarks/fill.py [--json] [--model embedded] [--fills 60] [--threads N]

Every gap is the rest of a line in a real file, under a prefix of 200 lines. Five cases:

    cold          nothing of the prefix is cached: a file has just been opened
    typing        the user has typed a line since the last fill: its prefix is cached up to there
    denoised      the same without the beam search of the causal pass, which `generate` does not do
    transformers  `generate` of `transformers` with the same weights, after each fill of `denoised`:
                  the same prompt, as many canvases of the same width as the fill had candidates, as
                  many steps. It is spared what a fill does besides: looking drafts up, and ranking.
                  Of bfloat16 and float32, eager and SDPA, uncompiled (a user's machine has no
                  compiler), the fastest.
    its steps     the same, given a cache of all the prompt but a token, which it has no way to keep
                  from one call to the next

Beside the times stands the floor: the multiplications that such a fill needs, at the rate this
machine multiplies matrices of the model's size. The last line says how many times longer
`transformers` took than the fills just before it, in the median, both ways.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import torch

from engine.api import FillRequest, Shape
from engine.checkpoints.catalog import folder_of
from engine.checkpoints.checkpoint import Checkpoint, open_checkpoint
from engine.fill.infill import LocalEngine
from engine.fill.lengths import hole_lengths
from engine.fill.load import load_engine
from engine.fill.prompt import build_prompt
from engine.measure.floor import step_work
from engine.models.family import StepSize
from engine.training.export import dequantise

PREFIX_LINES = 200

Ratios = dict[str, tuple[float, float]]  # of a case: how much longer `generate` and its steps took


@dataclass(frozen=True, slots=True)
class Run:
    """One fill; `canvas_tokens` of all its candidates together."""

    seconds: float
    steps: int
    canvas_tokens: int


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

    @classmethod
    def of(cls, case: str, runs: Sequence[Run], floor: Callable[[float], float]) -> Timing:
        milliseconds = sorted(1e3 * run.seconds for run in runs)
        steps = sum(run.steps for run in runs) / len(runs)
        canvas = sum(run.canvas_tokens for run in runs) / len(runs)
        return cls(
            case=case,
            fills=len(runs),
            p50=round(milliseconds[len(milliseconds) // 2], 1),
            p95=round(milliseconds[int(0.95 * len(milliseconds))], 1),
            steps=round(steps, 1),
            canvas_tokens=round(canvas, 1),
            floor=round(1e3 * floor(steps * canvas), 1),
        )


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
    folder = folder_of(arguments.model)
    theirs = Reference.fastest(engine, folder, gaps[0])
    rate, checkpoint = multiply_rate(engine), open_checkpoint(folder)
    cold = [ours(engine, gap, typed=None) for gap in gaps]
    typing: list[Run] = []
    denoised: list[Run] = []
    whole: list[Run] = []
    steps: list[Run] = []
    for gap in gaps:
        typing.append(ours(engine, gap, typed=1))
        with without_beams(engine):
            denoised.append(ours(engine, gap, typed=1))
        whole.append(theirs.run(gap, denoised[-1]))
        steps.append(theirs.run(gap, denoised[-1], is_cached=True))

    def floor(tokens: float) -> float:
        return operations(engine, checkpoint, tokens) / rate

    timings = [
        Timing.of("cold", cold, floor),
        Timing.of("typing", typing, floor),
        Timing.of("denoised", denoised, floor),
        Timing.of("transformers", whole, floor),
        Timing.of("its steps", steps, floor),
    ]
    ratios = {
        case: (times(whole, runs), times(steps, runs))
        for case, runs in (("typing", typing), ("denoised", denoised))
    }
    facts = {**environment(engine, rate), "transformers": theirs.name}
    print(as_json(facts, timings, ratios) if arguments.json else as_table(facts, timings, ratios))


def times(theirs: Sequence[Run], ours: Sequence[Run]) -> float:
    """How many times longer theirs took, in the median of the pairs."""
    pairs = zip(theirs, ours, strict=True)
    return statistics.median(their.seconds / our.seconds for their, our in pairs)


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


def ours(engine: LocalEngine, gap: FillRequest, typed: int | None) -> Run:
    """A fill of `gap`; the last `typed` lines before it were not there at the fill before."""
    prefix, suffix = gap.texts
    if typed is None:
        engine.fill(FillRequest(texts=("", "\n"), shape=Shape.LINE))
    else:
        above = "".join(prefix.splitlines(keepends=True)[: -1 - typed])
        engine.fill(FillRequest(texts=(above, suffix), shape=Shape.LINE))
    started = time.perf_counter()
    fill = engine.fill(gap)
    return Run(time.perf_counter() - started, fill.steps, fill.canvas_tokens)


@contextmanager
def without_beams(engine: LocalEngine) -> Iterator[None]:
    profile = engine.profile
    engine.profile = profile.but(beams=0)
    try:
        yield
    finally:
        engine.profile = profile


class Reference:
    """The same weights in `transformers`."""

    def __init__(self, engine: LocalEngine, folder: Path, dtype: torch.dtype, attention: str):
        from transformers import DiffusionGemmaForBlockDiffusion

        self.name = f"{str(dtype).removeprefix('torch.')}, {attention}"
        self._engine = engine
        with tempfile.TemporaryDirectory() as floats:
            dequantise(folder, Path(floats), dtype)
            self._model = DiffusionGemmaForBlockDiffusion.from_pretrained(
                floats, dtype=dtype, attn_implementation=attention
            ).eval()

    @classmethod
    def fastest(cls, engine: LocalEngine, folder: Path, gap: FillRequest) -> Reference:
        """In the setting that takes least for `gap`, the best of three times."""
        import transformers

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        settings = itertools.product((engine.model.dtype, torch.float32), ("sdpa", "eager"))
        made = [cls(engine, folder, *setting) for setting in dict.fromkeys(settings)]
        like = ours(engine, gap, typed=None)
        return min(made, key=lambda it: min(it.run(gap, like).seconds for _ in range(3)))

    def run(self, gap: FillRequest, like: Run, is_cached: bool = False) -> Run:
        """As many canvases as `like` has, after the prompt of `gap`, in exactly as many steps.

        `is_cached`: all of the prompt but a token is encoded beforehand, which is not timed.
        """
        from transformers import DynamicCache
        from transformers.models.diffusion_gemma.generation_diffusion_gemma import (
            DiffusionGemmaGenerationConfig,
            EntropyBoundSamplerConfig,
        )

        profile = self._engine.profile
        prompt = build_prompt(gap.texts, self._engine.tokenizer, profile)
        rows = len(hole_lengths(gap, profile, prompt, gap.shape, []))
        self._model.config.canvas_length = width = like.canvas_tokens // rows
        ids = torch.tensor([prompt.ids]).expand(rows, -1)
        cache = DynamicCache(config=self._model.config.text_config)
        if is_cached:
            with torch.no_grad():
                self._model.model.encoder(input_ids=ids[:, :-1], past_key_values=cache)
            ids = ids[:, -1:]
        settings = DiffusionGemmaGenerationConfig(
            max_new_tokens=width,
            max_denoising_steps=like.steps,  # and no rule that ends it earlier
            sampler_config=EntropyBoundSamplerConfig(entropy_bound=profile.sampling.entropy_bound),
            t_min=0.4,
            t_max=0.8,
        )
        started = time.perf_counter()
        self._model.generate(ids, past_key_values=cache, generation_config=settings)
        return Run(time.perf_counter() - started, like.steps, like.canvas_tokens)


def operations(engine: LocalEngine, checkpoint: Checkpoint, tokens: float) -> float:
    """Multiplications and additions of `tokens` canvas positions after a whole prompt, but for the
    few that get logits."""
    canvas, context = engine.profile.canvas.width, engine.profile.canvas.prompt_tokens
    shape = StepSize(1, canvas, open=0, context=context, self_conditioning=False)
    work = step_work(checkpoint, engine.model.dtype, packed=False, step=shape)
    return work.operations * tokens / canvas


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


def as_json(facts: dict[str, object], timings: Sequence[Timing], ratios: Ratios) -> str:
    document = {**facts, "timings": [asdict(timing) for timing in timings], "ratios": ratios}
    return json.dumps(document, indent=2)


def as_table(facts: dict[str, object], timings: Sequence[Timing], ratios: Ratios) -> str:
    rows = [
        f"| {t.case} | {t.fills} | {t.p50:.0f} ms | {t.p95:.0f} ms | {t.steps} | "
        f"{t.canvas_tokens:.0f} | {t.floor:.0f} ms |"
        for t in timings
    ]
    return "\n".join(
        [
            ", ".join(f"{key} {value}" for key, value in facts.items()),
            "",
            "| case | fills | p50 | p95 | steps | canvas tokens | floor |",
            "|---" * 7 + "|",
            *rows,
            "",
            *(
                f"transformers takes {whole:.1f} times as long as `{case}`, in the median, and its"
                f" steps alone {steps:.1f} times."
                for case, (whole, steps) in ratios.items()
            ),
        ]
    )


if __name__ == "__main__":
    main()
