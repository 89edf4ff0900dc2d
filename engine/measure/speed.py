"""`python -m engine.measure.speed`: how fast the engine is on this machine, as one JSON object.

Its own source is the text that is filled in. Times are in milliseconds.

    step     from one draft of a fill to the next, all candidates alive, beside the floor
             (engine/measure/floor.py) at the bandwidth and the rate that this device shows here
    prompt   encoding a full prompt, and encoding it again after a line was typed at its end
    block    tokens of a filled block per second
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from engine.api import Draft, EngineError, FillRequest, Shape
from engine.checkpoints.catalog import folder_of
from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.packed import stays_packed
from engine.fill import infill
from engine.fill.infill import LocalEngine
from engine.fill.load import load_engine
from engine.fill.prefix_cache import BLOCK, PrefixCaches, common_prefix
from engine.fill.prompt import encode
from engine.measure.floor import Rates, step_work
from engine.models.family import StepSize

SOURCE = Path(infill.__file__)
TYPED = "        unseen = self.prefixes[window]\n"
ROUNDS = 3  # of what is measured by itself; the quickest counts


def main(arguments: list[str] | None = None) -> None:
    options = _options().parse_args(arguments)
    try:
        print(json.dumps(measure(options.model, options.device, options.fills)))
    except EngineError as error:
        print(json.dumps({"error": str(error)}))


def measure(model: str, device: str | None, fills: int) -> dict[str, Any]:
    """Raises EngineError."""
    engine = load_engine(model, device)
    chosen = engine.info.model  # of a family's name, the one that was loaded
    folder = folder_of(chosen)
    rates = device_rates(engine.model.device, engine.model.dtype)
    return {
        "model": chosen,
        "device": str(engine.model.device),
        "dtype": str(engine.model.dtype).removeprefix("torch."),
        "format": open_checkpoint(folder).format,
        "threads": torch.get_num_threads(),
        "card": torch.cuda.get_device_name() if engine.model.device.type == "cuda" else None,
        "rates": asdict(rates),
        "step": step_times(engine, folder, rates, fills),
        "prompt": prompt_times(engine),
        "block": block_rate(engine, max(1, fills // 4)),
    }


def device_rates(device: torch.device, dtype: torch.dtype) -> Rates:
    """Of copying what no cache holds, and of multiplying large matrices."""
    is_card = device.type == "cuda"
    many, wide = (1 << 29, 8192) if is_card else (1 << 26, 1024)
    source = torch.empty(many, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    matrix = torch.randn(wide, wide, device=device).to(dtype)
    copied = timed(device, lambda: target.copy_(source))
    multiplied = timed(device, lambda: matrix @ matrix)
    return Rates(2e3 * many / copied, 2e3 * wide**3 / multiplied)


def step_times(engine: LocalEngine, folder: Path, rates: Rates, fills: int) -> dict[str, Any]:
    """From the first draft to the second: nothing but one step lies between them."""
    apart = []
    widths: list[int] = []
    for prefix, suffix in gaps(fills):
        seen: list[float] = []

        def stamp(_: Draft, seen: list[float] = seen) -> None:
            seen.append(time.perf_counter())

        request = FillRequest((prefix, suffix), shape=Shape.LINE, max_tokens=256)
        widths.append(engine.fill(request, stamp).canvas_tokens)
        if len(seen) > 1:
            apart.append(1e3 * (seen[1] - seen[0]))
    lengths = engine.profile.canvas.line_tokens
    shape = StepSize(
        candidates=len(lengths),
        canvas=round(statistics.median(widths) / len(lengths)),
        open=round(statistics.mean(lengths)),
        context=engine.profile.canvas.prompt_tokens,
        self_conditioning=engine.profile.sampling.self_conditioning,
    )
    device, dtype = engine.model.device, engine.model.dtype
    work = step_work(open_checkpoint(folder), dtype, stays_packed(device), shape)
    return {
        "milliseconds": statistics.median(apart) if apart else None,
        "floor": 1e3 * rates.seconds(work),
        "bytes": work.bytes,
        "operations": work.operations,
        "shape": asdict(shape),
        "of": len(apart),
    }


def prompt_times(engine: LocalEngine) -> dict[str, Any]:
    """`reused` is the share of the longer prompt whose keys and values were there."""
    ids = encode(engine.tokenizer, SOURCE.read_text(encoding="utf-8"))
    typed = encode(engine.tokenizer, TYPED)
    ids = ids[: max(1, engine.profile.canvas.prompt_tokens - len(typed))]
    cold, warm = [], []
    for _ in range(ROUNDS):
        prefixes = PrefixCaches(engine.model)
        cold.append(once(engine.model.device, partial(prefixes.encode, ids)))
        warm.append(once(engine.model.device, partial(prefixes.encode, ids + typed)))
    shared = common_prefix(ids, ids + typed) // BLOCK * BLOCK
    return {
        "tokens": len(ids + typed),
        "cold": min(cold),
        "typed": min(warm),
        "reused": shared / len(ids + typed),
    }


def block_rate(engine: LocalEngine, fills: int) -> dict[str, Any]:
    tokens = seconds = 0.0
    for prefix, suffix in gaps(fills, after=":\n"):
        fill = engine.fill(FillRequest((prefix, suffix), shape=Shape.BLOCK, max_tokens=256))
        tokens += len(encode(engine.tokenizer, fill.texts[0]))
        seconds += fill.seconds
    return {"tokens_per_second": tokens / seconds, "tokens": tokens, "seconds": seconds}


def gaps(count: int, after: str = " = ") -> list[tuple[str, str]]:
    """Texts around gaps of SOURCE, each behind an `after` and up to the end of that line."""
    text = SOURCE.read_text(encoding="utf-8")
    at = [place for place in range(len(text)) if text.startswith(after, place)]
    chosen = [random.Random(place).choice(at) + len(after) for place in range(count)]
    return [(text[:start], text[text.index("\n", start) :]) for start in chosen]


def timed(device: torch.device, work: Callable[[], object]) -> float:
    """Milliseconds of the quickest of some runs."""
    return min(once(device, work) for _ in range(ROUNDS))


def once(device: torch.device, work: Callable[[], object]) -> float:
    _wait(device)
    began = time.perf_counter()
    work()
    _wait(device)
    return 1e3 * (time.perf_counter() - began)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.measure.speed")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--device")
    parser.add_argument("--fills", type=int, default=40)
    return parser


if __name__ == "__main__":
    main()
