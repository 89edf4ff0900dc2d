"""How near do the kernels and a whole step come to their floors on this card?

    python benchmarks/gpu.py [--json] [--formats bf16 fp8 nvfp4] [--contexts 2048 16384]
    TRITON_INTERPRET=1 INFILL_KERNELS=triton python benchmarks/gpu.py --rehearse

Builds the 26B shapes with random weights on the card, holds kernels against the references, runs
compute-sanitizer on small shapes where it is installed, then prints, beside the floor at the
bandwidth and the rate measured here: the kernels that read nearly all of the weights; a step at
canvas 256; and 8 candidates of 32. No number is printed after a check that fails. A format that
does not fit on the card is left out, by name. Rehearsed: all but the times, tiny, in Triton's
interpreter.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from limits import Card, floor, step_counts

from engine.canvas import Canvas
from engine.models.diffusion_gemma import FULL, SLIDING, Config, DiffusionGemma, KVCache, Rope
from engine.step import Shape, Step
from kernels.acceptance import Rule
from kernels.attention import canvas_attention_reference, canvas_attention_triton
from kernels.experts import experts_reference, experts_triton
from kernels.linear import linear
from kernels.vocabulary import Outlook, vocabulary_reference, vocabulary_triton
from kernels.weights import FP8, NVFP4, Weight, dequantise, quantise_fp8, quantise_nvfp4

LARGE = Config(
    vocab_size=262144,
    hidden_size=2816,
    intermediate_size=2112,
    moe_intermediate_size=704,
    num_experts=128,
    top_k_experts=8,
    num_attention_heads=16,
    num_key_value_heads=8,
    head_dim=256,
    num_global_key_value_heads=2,
    global_head_dim=512,
    layer_types=(*(SLIDING,) * 5, FULL) * 5,
    sliding_window=1024,
    rope={SLIDING: Rope(1e4), FULL: Rope(1e6, 0.25)},
    canvas_length=256,
    max_position_embeddings=262144,
)
SMALL = replace(
    LARGE,
    vocab_size=300,
    hidden_size=64,
    intermediate_size=48,
    moe_intermediate_size=32,
    num_experts=4,
    top_k_experts=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    num_global_key_value_heads=1,
    global_head_dim=32,
    layer_types=(SLIDING, FULL),
    sliding_window=8,
)


@dataclass(frozen=True, slots=True)
class Row:
    """A measurement beside its floor, in milliseconds; NaN where there is no floor."""

    what: str
    format: str
    context: int
    ms: float
    floor_ms: float

    def __str__(self) -> str:
        over = self.ms / self.floor_ms
        times = f"{self.ms:.3f} | {self.floor_ms:.3f} | {over:.2f}"
        return f"| {self.what} | {self.format} | {self.context} | {times} |"


class Linear(nn.Module):
    """A dense layer whose weight has a format."""

    def __init__(self, weight: Weight) -> None:
        super().__init__()
        self.stored = weight

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.stored)


def random_model(config: Config, format: str, device: torch.device) -> DiffusionGemma:
    """Random weights, made on the device layer by layer: no more than one is ever there in
    bfloat16 that is not to stay."""
    with torch.device("meta"):
        model = DiffusionGemma(config).to(torch.bfloat16)
    for name, module in list(model.named_modules()):
        for key, given in list(module.named_parameters(recurse=False)):
            if ".experts" in name and format != "bf16":
                delattr(module, key)
                tensors = 2 if key == "gate_up_proj" else 1
                setattr(module, key, random_experts(given.shape, format, tensors, device))
                continue
            made = torch.empty(given.shape, dtype=torch.bfloat16, device=device)
            made.fill_(1.0) if given.ndim == 1 else made.normal_(std=given.shape[-1] ** -0.5)
            setattr(module, key, nn.Parameter(made, requires_grad=False))
        if hasattr(module, "layer_scalar"):
            module.layer_scalar = torch.ones(1, dtype=torch.bfloat16, device=device)
    if format == "fp8":
        for name, module in list(model.named_modules()):
            if isinstance(module, nn.Linear) and "router" not in name:
                parent, _, key = name.rpartition(".")
                setattr(model.get_submodule(parent), key, Linear(quantise_fp8(module.weight)))
    return model.eval()


def random_experts(shape: torch.Size, format: str, tensors: int, device: torch.device) -> Weight:
    """Expert by expert: 128 at once in float32 would not fit beside the rest."""
    parts = []
    for _ in range(shape[0]):
        plain = torch.randn(shape[1:], device=device) * shape[-1] ** -0.5
        parts.append(quantise_fp8(plain) if format == "fp8" else quantise_nvfp4(plain, tensors))
    names = ("data", "scale") if format == "fp8" else ("data", "scale", "tensor_scale")
    # float8 has no stack of its own on every device: as bytes.
    fields = []
    for name in names:
        each = [getattr(part, name) for part in parts]
        dtype = each[0].dtype
        is_float8 = dtype == torch.float8_e4m3fn
        stacked = torch.stack([x.view(torch.uint8) if is_float8 else x for x in each])
        fields.append(stacked.view(dtype) if is_float8 else stacked)
    return FP8(*fields) if format == "fp8" else NVFP4(*fields)


def random_cache(config: Config, length: int, device: torch.device) -> KVCache:
    def room(kind: str) -> Tensor:
        slides = kind == SLIDING
        heads = config.num_key_value_heads if slides else config.num_global_key_value_heads
        size = config.head_dim if slides else config.global_head_dim
        made = torch.randn(1, heads, length, size, device=device) * size**-0.5
        return made.to(torch.bfloat16)

    keys, values = (tuple(room(kind) for kind in config.layer_types) for _ in range(2))
    return KVCache(keys, values)


def check(model: DiffusionGemma, device: torch.device) -> None:
    """Kernels of one layer, and the vocabulary, against their references on the card."""
    config = model.config
    layer = model.layers[0]
    hidden = config.hidden_size
    for tokens in (3, 17, 33):
        x = torch.randn(tokens, hidden, device=device).bfloat16()
        index, weight = layer.router(x)
        stored = layer.experts.gate_up_proj, layer.experts.down_proj
        plain = [dequantise(each, torch.bfloat16) for each in stored]
        expect(
            "experts",
            experts_triton(x, *stored, index, weight),
            experts_reference(x, plain[0], plain[1], index, weight),
        )
        query = torch.randn(1, tokens, config.num_attention_heads, config.head_dim, device=device)
        key = torch.randn(1, tokens, config.num_key_value_heads, config.head_dim, device=device)
        query, key = (each.bfloat16().transpose(1, 2) for each in (query * 0.1, key))
        prefix = random_cache(config, 77, device).keys[0]
        given = (query, key, key, prefix, prefix, config.sliding_window - 1)
        expect("attention", canvas_attention_triton(*given), canvas_attention_reference(*given))
        one = torch.full((1,), 0.7, device=device)
        outlook = Outlook(one, torch.ones(1, dtype=torch.int64, device=device), 30.0, hidden**0.5)
        table = model.embed_tokens.weight
        ours, truth = (run(x, table, outlook) for run in (vocabulary_triton, vocabulary_reference))
        expect("entropy", ours.entropy, truth.entropy)
        assert ours.embedding is not None
        assert truth.embedding is not None
        expect("soft embedding", ours.embedding, truth.embedding)


def expect(what: str, ours: Tensor, truth: Tensor) -> None:
    size = truth.float().abs().max().clamp_min(1e-6)
    error = float((ours.float() - truth.float()).abs().max() / size)
    if not error < 0.04:
        raise SystemExit(f"{what}: off by {error:.3f} of the largest entry; nothing is measured")


def sanitize() -> str:
    """compute-sanitizer over the rehearsal's small shapes, on the card."""
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        return "compute-sanitizer is not installed: not run"
    command = [tool, "--error-exitcode", "9", sys.executable, __file__, "--checks"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=150)
    if run.returncode:
        raise SystemExit(run.stdout[-3000:] + run.stderr[-3000:])
    return "compute-sanitizer: no error"


def milliseconds(run: Callable[[], object], repeats: int = 20) -> float:
    """Median of `repeats`, with a cold L2: 256 MiB are written in between."""
    if not torch.cuda.is_available():
        run()
        return float("nan")
    flush = torch.empty(256 << 20, dtype=torch.uint8, device="cuda")
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
        return Card("interpreter", 1.0, 1.0, 0)
    large = torch.empty(2 << 30, dtype=torch.uint8, device=device).view(torch.int64)
    bandwidth = large.nbytes / milliseconds(large.sum) / 1e6
    square = torch.randn(8192, 8192, device=device).bfloat16()
    rate = 2 * 8192**3 / milliseconds(lambda: square @ square) / 1e9
    properties = torch.cuda.get_device_properties(device)
    return Card(properties.name, bandwidth, rate, properties.total_memory / 1e9)


def one_step(model: DiffusionGemma, batch: int, width: int, context: int) -> Callable[[], object]:
    device = model.device
    ids = torch.randint(model.config.vocab_size, (batch, width), device=device)
    places = torch.arange(width, device=device).expand(batch, width).contiguous()
    canvas = Canvas(ids, places, torch.ones_like(ids, dtype=torch.bool))
    cache = random_cache(model.config, context, device)
    step = Step(model, Shape.of(canvas, cache), Rule(0.1, 0.005, model.config.vocab_size))
    banned = torch.zeros(model.config.vocab_size, dtype=torch.bool, device=device)
    step.load(canvas, cache, banned)
    step.run(1, 0.8, seed=1)
    return lambda: step.run(2, 0.7, seed=2)


@torch.no_grad()
def kernels(model: DiffusionGemma, format: str, card: Card, context: int) -> list[Row]:
    """Those that read nearly all of a step's weights, one layer's each, over canvas 256."""
    counts = {count.kernel: count for count in step_counts(format, 1, 256, context)}
    layer, layers = model.layers[0], len(model.layers)
    x = torch.randn(256, model.config.hidden_size, device=model.device).bfloat16()
    index, weight = layer.router(x)
    stored = layer.experts.gate_up_proj, layer.experts.down_proj
    one = torch.full((1,), 0.7, device=model.device)
    outlook = Outlook(one, torch.ones(1, dtype=torch.int64, device=model.device), 30.0, 53.0)
    cases: list[tuple[str, Callable[[], object], list[str], int]] = [
        (
            "experts, one layer",
            lambda: experts_triton(x, *stored, index, weight),
            ["experts gate_up", "experts down"],
            layers,
        ),
        (
            "vocabulary",
            lambda: vocabulary_triton(x, model.embed_tokens.weight, outlook),
            ["vocabulary head", "soft embedding"],
            1,
        ),
    ]
    return [
        Row(
            what,
            format,
            context,
            milliseconds(run),
            1e3 * floor([counts[name] for name in names], card) / share,
        )
        for what, run, names, share in cases
    ]


def table(rows: list[Row], card: Card, notes: list[str]) -> str:
    return "\n".join(
        [
            f"{card.name}: {card.bandwidth:.0f} GB/s and {card.rate:.0f} TFLOP/s measured;"
            f" torch {torch.__version__}",
            *notes,
            "",
            "| what | format | context | ms | floor, ms | of floor |",
            "| --- | --- | ---: | ---: | ---: | ---: |",
            *map(str, rows),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rehearse", action="store_true", help="tiny, and on the CPU")
    parser.add_argument("--checks", action="store_true", help="tiny, the checks alone")
    parser.add_argument("--formats", nargs="*", default=["bf16", "fp8", "nvfp4"])
    parser.add_argument("--contexts", nargs="*", type=int, default=[2048, 16384])
    given = parser.parse_args()
    began = time.monotonic()
    torch.manual_seed(0)
    tiny = given.rehearse or given.checks
    if not given.rehearse and not torch.cuda.is_available():
        raise SystemExit("there is no CUDA device: --rehearse runs this on the CPU")
    device = torch.device("cpu" if given.rehearse else "cuda")
    config = SMALL if tiny else LARGE
    contexts = [20] if tiny else given.contexts
    shapes = ((1, 12), (2, 6)) if tiny else ((1, 256), (8, 32))
    notes: list[str] = [] if tiny else [sanitize()]
    rows: list[Row] = []
    card = measured_card(device)
    for format in given.formats:
        try:
            model = random_model(config, format, device)
        except torch.cuda.OutOfMemoryError:
            notes.append(f"{format} does not fit on this card: left out")
            continue
        check(model, device)
        if given.checks:
            continue
        for context in contexts:
            if not tiny:
                rows += kernels(model, format, card, context)
            for batch, width in shapes:
                lower = 1e3 * floor(step_counts(format, batch, width, context), card)
                measured = milliseconds(one_step(model, batch, width, context))
                rows.append(Row(f"step, {batch} x {width}", format, context, measured, lower))
        del model
        if device.type == "cuda":
            torch.cuda.empty_cache()
    notes.append(f"{time.monotonic() - began:.0f} s in all")
    if given.json:
        print(json.dumps({"card": asdict(card), "rows": [asdict(row) for row in rows]}, indent=1))
    else:
        print(table(rows, card, notes))


if __name__ == "__main__":
    main()
