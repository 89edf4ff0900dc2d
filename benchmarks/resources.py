"""What does each kernel need of a card? Registers, spills, shared memory and tensor-core
instructions of every kernel at the shapes of the 26B model, compiled for every card without one.

    python benchmarks/resources.py [--capability 86 ...] [--json]

Writes benchmarks/results/resources.md; what was compiled before, by another version of Triton or
for other cards, stays in it (benchmarks/results/resources.json remembers).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kernels.backend import Card, Launch, triton
from kernels.compiled import compile_launch
from kernels.shapes import CARDS, FORMATS, step_launches

RESULTS = Path(__file__).parent / "results"
FORMAT_NAMES = ("bf16", "fp8", "fp8", "nvfp4")  # by a kernel's FORMAT


def distinct(card: Card) -> dict[str, Launch]:
    """Every kernel that a step or a prompt launches, in each format, by name."""
    found: dict[str, Launch] = {}
    for format in FORMATS:
        for canvas, candidates, context in ((256, 1, 2048), (32, 1, 2048), (256, 8, 16384)):
            for launched in step_launches(card, format, canvas, candidates, context):
                constants = launched.constants
                words = [launched.kernel.__name__.lstrip("_")]
                if "FORMAT" in constants:
                    words.append(FORMAT_NAMES[constants["FORMAT"]])
                if launched.kernel.__name__ == "_attention":
                    words.append("causal" if constants["CAUSAL"] else "canvas")
                    words.append("joined" if constants["SPLITS"] > 1 else "whole")
                if "SIZE" in constants:
                    words.append(str(constants["SIZE"]))
                if "BLOCK_M" in constants:
                    words.append(f"M{constants['BLOCK_M']}")
                found.setdefault(" ".join(words), launched)
    return found


def table(rows: dict[str, dict[str, Any]]) -> str:
    lines = [
        "# What the kernels need",
        "",
        "At the shapes of DiffusionGemma 26B-A4B, compiled without a card by"
        " `python benchmarks/resources.py`. Spills are instructions that touch local memory.",
        "",
        "| Triton | sm | kernel | registers | spills | shared, KiB | of | threads | tensor cores |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for _, row in sorted(rows.items()):
        limit = Card(row["capability"], 0).shared_memory
        cores = ", ".join(row["tensor_cores"]) or "none"
        lines.append(
            f"| {row['triton']} | {row['capability']} | {row['kernel']} | {row['registers']} "
            f"| {row['spills']} | {row['shared_memory'] / 1024:.1f} | {limit // 1024} "
            f"| {row['threads']} | {cores} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--capability", type=int, nargs="*", choices=CARDS, default=list(CARDS))
    parser.add_argument("--only", default="", help="kernels whose name begins so")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    memory = RESULTS / "resources.json"
    rows: dict[str, dict[str, Any]] = json.loads(memory.read_text()) if memory.exists() else {}
    for capability in given.capability:
        for kernel, launched in distinct(Card(capability, CARDS[capability])).items():
            if not kernel.startswith(given.only):
                continue
            row = asdict(compile_launch(launched, capability))
            row |= {"triton": triton.__version__, "capability": capability, "kernel": kernel}
            rows[f"{triton.__version__} {capability:3d} {kernel}"] = row
            if not given.json:
                print(
                    f"sm_{capability} {kernel}: {row['registers']} registers,"
                    f" {row['spills']} spills, {row['shared_memory']} bytes",
                    flush=True,
                )
            memory.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")
            (RESULTS / "resources.md").write_text(table(rows))
    if given.json:
        print(json.dumps(list(rows.values()), indent=1))


if __name__ == "__main__":
    main()
