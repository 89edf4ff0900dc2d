"""How fast could a denoising step be? The bytes that each kernel must move and the operations that
it must do, over what a card can: the floor that measurements are printed beside.

    python benchmarks/limits.py [--json] [--kernels] [--context 2048] [--write]

Bandwidth and bfloat16 rates (dense, float32 sums) are the makers' published ones; pass measured
ones with --bandwidth (GB/s) and --rate (TFLOP/s). A kernel's floor is the larger of its two times,
a step's the sum over kernels. Uniform routing is assumed: which experts are read follows from it.
--write puts the table into benchmarks/results/limits.md.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kernels.shapes import (
    DENSE_INNER,
    EXPERTS,
    FULL_HEAD_DIM,
    FULL_KV_HEADS,
    FULL_LAYERS,
    HEAD_DIM,
    HEADS,
    HIDDEN,
    INNER,
    KV_HEADS,
    LAYERS,
    TOP_K,
    VOCABULARY,
    WINDOW,
)

RESULT = Path(__file__).parent / "results" / "limits.md"
FORMATS = ("bf16", "fp8", "nvfp4")  # what NVFP4's inputs are rounded to moves no weight


@dataclass(frozen=True, slots=True)
class Card:
    name: str
    bandwidth: float  # GB/s
    rate: float  # TFLOP/s
    memory: float  # GB, 0 where it is not known

    def holds(self, gigabytes: float) -> bool:
        return not self.memory or gigabytes < self.memory


CARDS = (
    Card("RTX 3090", 936, 71, 24),
    Card("RTX 4090", 1008, 165, 24),
    Card("RTX 5090", 1792, 210, 32),
    Card("RTX PRO 6000", 1792, 504, 96),
    Card("H100", 3350, 989, 80),
    Card("H200", 4800, 989, 141),
)
# (candidates, tokens of each)
SHAPES = (
    *((1, canvas) for canvas in (32, 64, 128, 256)),
    *((many, 32) for many in (2, 4, 8)),
    *((many, 256) for many in (2, 4, 8)),
)


@dataclass(frozen=True, slots=True)
class Count:
    """What one kernel needs in a whole step, over all layers."""

    kernel: str
    bytes: float
    operations: float

    def seconds(self, card: Card) -> float:
        return max(self.bytes / (card.bandwidth * 1e9), self.operations / (card.rate * 1e12))


def step_counts(format: str, candidates: int, canvas: int, context: int) -> list[Count]:
    """Of one denoising step. Weights count once, what is handed from kernel to kernel twice."""
    tokens = candidates * canvas
    sliding = LAYERS - FULL_LAYERS
    narrow = 2 * tokens * HIDDEN  # bytes of a hidden state
    other, expert = bytes_a_weight(format)
    touched = EXPERTS * (1 - (1 - TOP_K / EXPERTS) ** tokens)
    routed = tokens * TOP_K

    def linear(kernel: str, weights: int, layers: int, per_weight: float = other) -> Count:
        return Count(kernel, layers * weights * per_weight, 2.0 * layers * weights * tokens)

    projections = HIDDEN * HEAD_DIM * (2 * HEADS + 2 * KV_HEADS)
    full_projections = HIDDEN * FULL_HEAD_DIM * (2 * HEADS + FULL_KV_HEADS)
    seen = min(context, WINDOW - 1)
    head = VOCABULARY * HIDDEN

    def attention(kernel: str, layers: int, prefix: int, kv_heads: int, size: int) -> Count:
        keys = prefix + tokens  # the prefix is read once for all candidates
        moved = 2 * (2 * kv_heads * keys * size + 2 * tokens * HEADS * size)
        done = 4.0 * tokens * HEADS * (prefix + canvas) * size
        return Count(kernel, layers * moved, layers * done)

    gate_up = 2 * HIDDEN * INNER
    down = HIDDEN * INNER
    middle = 2.0 * routed * INNER
    apart = 2.0 * routed * HIDDEN
    return [
        linear("attention projections", projections, sliding),
        linear("attention projections, full", full_projections, FULL_LAYERS),
        attention("canvas attention, sliding", sliding, seen, KV_HEADS, HEAD_DIM),
        attention("canvas attention, full", FULL_LAYERS, context, FULL_KV_HEADS, FULL_HEAD_DIM),
        linear("dense MLP", 3 * HIDDEN * DENSE_INNER, LAYERS + 1),  # and the self-conditioning one
        linear("router", HIDDEN * EXPERTS, LAYERS, 2.0),
        Count(
            "experts gate_up",
            LAYERS * (touched * gate_up * expert + narrow + middle),
            LAYERS * 2.0 * routed * gate_up,
        ),
        Count(
            "experts down",
            LAYERS * (touched * down * expert + middle + 2 * apart + narrow),
            LAYERS * 2.0 * routed * down,
        ),
        Count("norms", LAYERS * 14.0 * narrow, 0.0),
        Count("vocabulary head", 2.0 * head + 2.0 * tokens * VOCABULARY, 2.0 * head * tokens),
        Count("soft embedding", 2.0 * head + 2.0 * tokens * VOCABULARY, 2.0 * head * tokens),
    ]


def bytes_a_weight(format: str) -> tuple[float, float]:
    """Of projections and of experts, with their scales; in NVFP4 only experts are."""
    fp8 = 1 + 4 / HIDDEN
    return {"bf16": (2.0, 2.0), "fp8": (fp8, fp8), "nvfp4": (2.0, 0.5 + 1 / 16)}[format]


def weights(format: str) -> float:
    """Gigabytes of all weights of the text model."""
    other, expert = bytes_a_weight(format)
    sliding = LAYERS - FULL_LAYERS
    projections = sliding * HIDDEN * HEAD_DIM * (2 * HEADS + 2 * KV_HEADS)
    projections += FULL_LAYERS * HIDDEN * FULL_HEAD_DIM * (2 * HEADS + FULL_KV_HEADS)
    dense = (LAYERS + 1) * 3 * HIDDEN * DENSE_INNER
    plain = VOCABULARY * HIDDEN + LAYERS * HIDDEN * EXPERTS
    routed = LAYERS * EXPERTS * 3 * HIDDEN * INNER
    return (other * (projections + dense) + 2.0 * plain + expert * routed) / 1e9


def floor(counts: list[Count], card: Card) -> float:
    return sum(count.seconds(card) for count in counts)


def rows(cards: tuple[Card, ...], context: int) -> list[dict[str, Any]]:
    return [
        {
            "card": card.name,
            "format": format,
            "candidates": candidates,
            "canvas": canvas,
            "context": context,
            "gigabytes": sum(count.bytes for count in counts) / 1e9,
            "teraflop": sum(count.operations for count in counts) / 1e12,
            "floor_ms": 1e3 * floor(counts, card),
            "kernels": [
                {**asdict(count), "floor_ms": 1e3 * count.seconds(card)} for count in counts
            ],
        }
        for format in FORMATS
        for candidates, canvas in SHAPES
        for counts in [step_counts(format, candidates, canvas, context)]
        for card in cards
    ]


def table(given: list[dict[str, Any]], cards: tuple[Card, ...]) -> str:
    """A dash where the weights alone do not fit."""
    names = [card.name for card in cards]
    lines = [
        f"| format | canvases | GB | TFLOP | {' | '.join(f'{name}, ms' for name in names)} |",
        f"| --- | --- | ---: | ---: |{' ---: |' * len(names)}",
    ]
    for at in range(0, len(given), len(names)):
        group = given[at : at + len(names)]
        first = group[0]
        size = weights(first["format"])
        times = " | ".join(
            f"{each['floor_ms']:.2f}" if card.holds(size) else "-"
            for each, card in zip(group, cards, strict=True)
        )
        shape = f"{first['candidates']} x {first['canvas']}"
        sums = f"{first['gigabytes']:.2f} | {first['teraflop']:.2f}"
        lines.append(f"| {first['format']} | {shape} | {sums} | {times} |")
    return "\n".join(lines)


def document(cards: tuple[Card, ...]) -> str:
    sizes = ", ".join(f"{format} {weights(format):.1f} GB" for format in FORMATS)
    parts = [
        "# How fast a step could be",
        "",
        "Milliseconds of a denoising step of DiffusionGemma 26B-A4B, by"
        " `python benchmarks/limits.py --write`: what each kernel must move and do, over the rates"
        " that the makers publish. A dash:"
        f" the weights do not fit ({sizes}).",
    ]
    for context in (2048, 16384):
        parts += [
            "",
            f"## After a prompt of {context} tokens",
            "",
            table(rows(cards, context), cards),
        ]
    one = tuple(card for card in cards if card.name == "H100")
    kernels = [row for row in rows(one, 2048) if (row["candidates"], row["canvas"]) == (1, 256)]
    parts += ["", "## By kernel, on one H100, a canvas of 256", "", kernel_table(kernels)]
    return "\n".join(parts) + "\n"


def kernel_table(given: list[dict[str, Any]]) -> str:
    lines = [
        "| card | format | canvases | kernel | MB | GFLOP | ms |",
        "| --- | --- | --- | --- | ---: | ---: | ---: |",
    ]
    for row in given:
        for count in row["kernels"]:
            sums = f"{count['bytes'] / 1e6:.1f} | {count['operations'] / 1e9:.1f}"
            shape = f"{row['candidates']} x {row['canvas']}"
            what = f"{row['card']} | {row['format']} | {shape} | {count['kernel']}"
            lines.append(f"| {what} | {sums} | {count['floor_ms']:.3f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--kernels", action="store_true", help="a row for each kernel")
    parser.add_argument("--write", action="store_true", help="into benchmarks/results")
    parser.add_argument("--context", type=int, default=2048, help="tokens of the prompt")
    parser.add_argument("--bandwidth", type=float, help="measured, GB/s: one card of your own")
    parser.add_argument("--rate", type=float, help="measured, TFLOP/s")
    given = parser.parse_args()
    if (given.bandwidth is None) != (given.rate is None):
        parser.error("--bandwidth and --rate go together")
    cards = CARDS if given.rate is None else (Card("measured", given.bandwidth, given.rate, 0),)
    found = rows(cards, given.context)
    if given.write:
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(document(cards))
        # The documentation reads its figures there (benchmarks/figures.py).
        plain = [{name: row[name] for name in row if name != "kernels"} for row in found]
        of = "floors of a step of DiffusionGemma 26B, by arithmetic at published rates"
        told = {"command": "python benchmarks/limits.py --write", "of": of, "rows": plain}
        RESULT.with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n")
        return
    if given.json:
        print(json.dumps(found, indent=1))
    elif given.kernels:
        print(kernel_table(found))
    else:
        print(f"Floors of a denoising step after {given.context} tokens\n\n{table(found, cards)}")


if __name__ == "__main__":
    main()
