"""What does each kernel need of a card? Registers, spills, shared memory and tensor-core
instructions of every kernel at the shapes of the 26B model, compiled for every card without one.

    python benchmarks/resources.py [--capability 86 ...] [--only gate_up] [--json]

Writes benchmarks/results/resources.md and, for the next run, resources.json: a run replaces the
rows of its own Triton and cards, and keeps those of others. Triton remembers what it compiled, so a
run that was cut short goes on where it stopped. Ends with status 1 when a kernel does not compile,
spills, or takes more shared memory than its card has.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from kernels.backend import Card, Launch, triton
from kernels.compiled import compile_launch
from kernels.shapes import CARDS, FORMATS, step_launches

RESULTS = Path(__file__).parent / "results"
FORMAT_NAMES = ("bf16", "fp8", "fp8", "nvfp4", "w4a4")  # by a kernel's FORMAT
SHAPES = ((256, 1, 2048), (32, 1, 2048), (256, 8, 16384))  # (canvas, candidates, context)

Row = dict[str, Any]


def distinct(card: Card) -> dict[str, Launch]:
    """Every kernel that a step or a prompt launches, in each format, by name."""
    found: dict[str, Launch] = {}
    for format in FORMATS:
        for shape in SHAPES:
            for launched in step_launches(card, format, *shape):
                found.setdefault(_name(launched), launched)
    return found


def _name(launched: Launch) -> str:
    """The kernel's, and what of its constants makes it another program."""
    constants = launched.constants
    words = [launched.kernel.__name__.lstrip("_")]
    if "FORMAT" in constants:
        words.append(FORMAT_NAMES[constants["FORMAT"]])
    if "CAUSAL" in constants:
        words.append("causal" if constants["CAUSAL"] else "canvas")
        words.append("joined" if constants["SPLITS"] > 1 else "whole")
    if "SIZE" in constants:
        words.append(str(constants["SIZE"]))
    if "BLOCK_M" in constants:
        words.append(f"M{constants['BLOCK_M']}")
    if words[0] == "round_rows":
        words.append(str(constants["BLOCK"]))
    return " ".join(words)


def measure(capability: int, only: str) -> Iterator[Row]:
    """The rows of one card; a failure is a row too."""
    card = Card(capability, CARDS[capability])
    for kernel, launched in distinct(card).items():
        if not kernel.startswith(only):
            continue
        row: Row = {"triton": triton.__version__, "capability": capability, "kernel": kernel}
        try:
            row |= asdict(compile_launch(launched, capability))
        except Exception as error:  # whatever a compiler throws
            row["failure"] = f"{type(error).__name__}: {str(error).strip()[-200:]}"
        row["fault"] = _fault(row, card)
        print(f"sm_{capability} {_line(row)}", file=sys.stderr, flush=True)
        yield row


def _fault(row: Row, card: Card) -> str:
    if "failure" in row:
        return row["failure"]
    if row["spills"]:
        return f"{row['spills']} spills"
    if row["shared_memory"] > card.shared_memory:
        return "too much shared memory"
    return ""


def _line(row: Row) -> str:
    if "failure" in row:
        return f"| {row['kernel']} | does not compile: {row['failure']} |"
    limit = Card(row["capability"], 0).shared_memory
    cores = ", ".join(f"`{each}`" for each in row["tensor_cores"])
    shared = f"{row['shared_memory'] / 1024:.1f} of {limit // 1024}"
    return (
        f"| {row['kernel']} | {row['registers']} | {row['spills']} | {shared} "
        f"| {row['threads']} | {cores} |"
    )


def table(rows: dict[str, Row]) -> str:
    ordered = [row for _, row in sorted(rows.items())]
    versions = sorted({row["triton"] for row in ordered})
    faults = [row for row in ordered if row["fault"]]
    lines = [
        "# What the kernels need",
        "",
        "At the shapes of DiffusionGemma 26B-A4B, compiled without a card by"
        " `python benchmarks/resources.py`. Spills are instructions that touch local memory,"
        " anywhere in a kernel; shared memory is in KiB a block, of what the card has.",
        "",
        f"{len(ordered)} programs with Triton {' and '.join(versions)};"
        f" {len(faults)} that do not compile, spill or do not fit.",
    ]
    for row in faults:
        lines.append(
            f"- Triton {row['triton']}, sm_{row['capability']}, {row['kernel']}: {row['fault']}"
        )
    for (version, capability), group in groupby(
        ordered, lambda row: (row["triton"], row["capability"])
    ):
        lines += [
            "",
            f"## Triton {version}, sm_{capability}",
            "",
            "| kernel | registers | spills | shared memory | threads | tensor cores |",
            "| --- | ---: | ---: | ---: | ---: | --- |",
            *map(_line, group),
        ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--capability", type=int, nargs="*", choices=CARDS, default=list(CARDS))
    parser.add_argument("--only", default="", help="kernels whose name begins so")
    parser.add_argument("--json", action="store_true", help="print the rows of this run")
    given = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    memory = RESULTS / "resources.json"
    rows: dict[str, Row] = json.loads(memory.read_text()) if memory.exists() else {}
    new: list[Row] = []
    for capability in given.capability:
        begins = f"{triton.__version__} {capability:3d} {given.only}"
        rows = {key: row for key, row in rows.items() if not key.startswith(begins)}
        for row in measure(capability, given.only):
            new.append(row)
            rows[f"{triton.__version__} {capability:3d} {row['kernel']}"] = row
            memory.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")
            (RESULTS / "resources.md").write_text(table(rows))
    if given.json:
        print(json.dumps(new, indent=1))
    return int(any(row["fault"] for row in new))


if __name__ == "__main__":
    sys.exit(main())
