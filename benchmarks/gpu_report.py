"""What `gpu.py` found out: checks, measurements beside their floors, and what was aimed at."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from limits import Card

# (what, format, context, most milliseconds or most times the floor, "ms" or "floor")
AIMS = (
    ("step, 1 x 256", "bf16", 2048, 1.25, "floor"),
    ("step, 1 x 256", "fp8", 2048, 1.25, "floor"),
    ("step, 1 x 256", "nvfp4", 2048, 1.25, "floor"),
    ("step, 1 x 256", "fp8", 2048, 10.0, "ms"),
    *((f"experts, {format}", format, 2048, 1 / 0.85, "floor") for format in ("bf16", "fp8")),
    ("experts, nvfp4", "nvfp4", 2048, 1 / 0.85, "floor"),
    ("vocabulary", "bf16", 2048, 1 / 0.85, "floor"),
)


@dataclass(frozen=True, slots=True)
class Check:
    """A kernel held against its reference: a relative error, and the most it may be."""

    what: str
    error: float
    most: float

    @property
    def passed(self) -> bool:
        return self.error <= self.most  # NaN is not


@dataclass(frozen=True, slots=True)
class Row:
    """A measurement beside its floor, in milliseconds; NaN where there is none."""

    what: str
    format: str
    context: int
    ms: float
    floor_ms: float

    @property
    def times(self) -> float:
        return self.ms / self.floor_ms


@dataclass(slots=True)
class Report:
    """Grows part by part; whatever stops the run, what was found before is saved."""

    card: Card
    folder: Path
    checks: list[Check] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)  # of whole parts

    @property
    def failed(self) -> bool:
        return bool(self.failures) or not all(check.passed for check in self.checks)

    def find(self, what: str, format: str, context: int) -> Row | None:
        sought = what, format, context
        found = (row for row in self.rows if (row.what, row.format, row.context) == sought)
        return next(found, None)

    def save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        found = {
            "card": asdict(self.card),
            "torch": torch.__version__,
            "checks": [asdict(check) for check in self.checks],
            "rows": [asdict(row) for row in self.rows],
            "notes": self.notes,
            "failures": self.failures,
        }
        (self.folder / "gpu.json").write_text(json.dumps(found, indent=1) + "\n")
        (self.folder / "gpu.md").write_text(self.text())

    def text(self) -> str:
        card = self.card
        measured = f"{card.bandwidth:.0f} GB/s and {card.rate:.0f} TFLOP/s"
        lines = [
            f"# A step on {card.name}",
            "",
            f"Measured by `python benchmarks/gpu.py` with torch {torch.__version__}; floors are at"
            f" {measured}, measured too.",
            "",
            *(f"- FAILED: {failure}" for failure in self.failures),
            *(f"- {note}" for note in self.notes),
            "",
            "| check | error | at most | |",
            "| --- | ---: | ---: | --- |",
        ]
        for check in self.checks:
            verdict = "" if check.passed else "WRONG"
            lines.append(f"| {check.what} | {check.error:.4f} | {check.most:.4f} | {verdict} |")
        lines += [
            "",
            "| what | format | context | ms | floor, ms | of floor |",
            "| --- | --- | ---: | ---: | ---: | ---: |",
        ]
        for row in self.rows:
            numbers = f"{row.ms:.3f} | {_shown(row.floor_ms)} | {_shown(row.times)}"
            lines.append(f"| {row.what} | {row.format} | {row.context} | {numbers} |")
        return "\n".join([*lines, "", *self.aims()]) + "\n"

    def aims(self) -> list[str]:
        """What was aimed at, beside what came."""
        lines = []
        for what, format, context, most, unit in AIMS:
            row = self.find(what, format, context)
            if row is None:
                continue
            found = row.ms if unit == "ms" else row.times
            words = "ms" if unit == "ms" else "times its floor"
            lines.append(_aim(f"{what}, {format}: {found:.2f} {words}", found <= most, most))
        for format in ("bf16", "fp8", "nvfp4"):
            many = self.find("step, 8 x 32", format, 2048)
            one = self.find("step, 1 x 256", format, 2048)
            if many and one:
                ratio = many.ms / one.ms
                words = f"8 canvases of 32 against one of 256, {format}: {ratio:.2f} times"
                lines.append(_aim(words, ratio <= 1.15, 1.15))
        ours = self.find("step, 1 x 256", "bf16", 2048)
        theirs = self.find("transformers, compiled", "bf16", 2048)
        if ours and theirs:
            ratio = theirs.ms / ours.ms
            words = f"transformers, compiled, against ours: {ratio:.2f} times"
            lines.append(_aim(words, ratio >= 3, 3))
        return lines


def _aim(found: str, reached: bool, most: float) -> str:
    return f"- {'reached' if reached else 'MISSED'}: {found} (aim: {most:.2f})"


def _shown(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.3f}"
