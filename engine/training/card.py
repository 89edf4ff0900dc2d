"""The model card: what the embedded model was trained on, for how long, and how well it does.

Written from `training.json` (by export), `evaluation.json` (what `infill-ls eval` printed of the
packages to report on, and of those of 2026) and `corpus.toml`; no number in it is typed by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from engine.evaluation.question import digest_profile, digest_weights
from engine.evaluation.splits import FRESH, REPORT, TRAIN, TUNE, Split
from engine.evaluation.suites import FRESH as FRESH_SUITE
from engine.evaluation.suites import HELD_OUT
from engine.training.corpus import read_manifest
from engine.training.packages import Package
from engine.training.settings import Schedule, Settings

METHODS = ("checked", "searched", "alone", "any")
LANGUAGE_NAMES = {
    "python": "Python", "javascript": "JavaScript", "typescript": "TypeScript", "rust": "Rust",
    "go": "Go", "c": "C", "cpp": "C++", "java": "Java", "lua": "Lua", "shellscript": "shell",
    "html": "HTML", "css": "CSS", "json": "JSON",
}  # fmt: skip
TEMPLATE = Path(__file__).with_name("card.md")


def write_card(settings: Settings, folder: Path) -> Path:
    """Write `folder`/README.md from the JSON files beside it; returns its path."""
    training = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    card = folder / "README.md"
    card.write_text(render(settings, training, evaluation, folder), encoding="utf-8")
    return card


def keep_evaluations(paths: Sequence[Path], folder: Path) -> None:
    """Write what `infill-ls eval SUITE --json` printed into `folder`/evaluation.json, by suite.

    Raises ValueError for another suite than held-out and fresh, and for answers of another model
    than the one in `folder`.
    """
    path = folder / "evaluation.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    digests = {"weights": digest_weights(folder), "profile": digest_profile(folder)}
    kept = {suite: measured for suite, measured in kept.items() if _is_of(measured, digests)}
    for each in paths:
        measured = json.loads(each.read_text(encoding="utf-8"))
        suite = measured["asked"]["suite"]
        if suite not in (HELD_OUT, FRESH_SUITE):
            raise ValueError(f"{each} is of the suite {suite}: a card tells of held-out and fresh")
        if not _is_of(measured, digests):
            raise ValueError(f"{each} tells of another model than the one in {folder}")
        measured.pop("results", None)
        measured["asked"]["model"] = folder.name
        kept[suite] = measured
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _is_of(measured: Any, digests: dict[str, str]) -> bool:
    asked = measured.get("asked", {}) if isinstance(measured, dict) else {}
    return all(asked.get(name) == digest for name, digest in digests.items())


def render(
    settings: Settings, training: dict[str, Any], evaluation: dict[str, Any], folder: Path
) -> str:
    model, data, schedule = settings.model, settings.data, settings.schedule
    measured = evaluation[HELD_OUT]
    whole = _row_of(measured, "checked", "all")
    calibration = measured["calibration"]["checked"]
    best = max(measured["baselines"].items(), key=lambda each: each[1]["mean"])
    read, total = training["languages"], sum(training["languages"].values())
    return TEMPLATE.read_text(encoding="utf-8").format(
        parameters=training["parameters"] / 1e6,
        mebibytes=training["bytes"] / 2**20,
        layers=model["num_hidden_layers"],
        hidden=model["hidden_size"],
        experts=model["num_experts"],
        top_k=model["top_k_experts"],
        vocabulary=model["vocab_size"],
        canvas=data.canvas_tokens,
        head=data.head_tokens,
        slot=data.slot_tokens[-1],
        prompt=data.chunk_tokens,
        steps=training["steps"],
        chunk_millions=training["chunk_tokens"] / 1e6,
        canvas_thousands=training["canvases"] / 1e3,
        hours=training["seconds"] / 3600,
        hardware=training["hardware"],
        causal_share=training["causal_share"],
        canvases=data.canvases,
        random=settings.noise.random,
        self_conditioning=_self_conditioning(schedule),
        tail=training["tail"],
        slot_loss=training["slot_loss"],
        causal_loss=training["causal_loss"],
        seed=measured["asked"]["seed"],
        items=whole["n"],
        exact_rows=_rows(measured),
        fresh=_fresh(evaluation.get(FRESH_SUITE)),
        baseline_rows="\n".join(
            f"| {name} | {_percent(rate)} |" for name, rate in measured["baselines"].items()
        ),
        times=whole["exact"]["mean"] / max(best[1]["mean"], 1e-9),
        alone_times=_row_of(measured, "alone", "all")["exact"]["mean"] / max(best[1]["mean"], 1e-9),
        forwards=whole["forwards"],
        ece=calibration["error"],
        calibration_rows="\n".join(
            f"| {row['confidence']:.2f} | {row['n']} | {row['exact']:.2f} |"
            for row in calibration["bins"]
        ),
        gate_rows="\n".join(
            f"| {row['gate']:.2f} | {row['shown']['mean']:.1%} | {_percent(row['exact'])} |"
            for row in calibration["gates"]
        ),
        repeats=100 * whole["repeats_suffix"]["mean"],
        languages=", ".join(
            f"{LANGUAGE_NAMES[name]} {weight / total:.1%}" for name, weight in read.items()
        ),
        ablations=_ablations(folder / "ablations.json"),
        train_count=len(_split(TRAIN, read)),
        report=_packages(REPORT, read),
        fresh_packages=_packages(FRESH, read),
        tune=_packages(TUNE, read),
        train=_packages(TRAIN, read),
    )


def _self_conditioning(schedule: Schedule) -> str:
    if not schedule.self_conditioning:
        return "It was not trained to read its own belief back (self-conditioning): that is off."
    return (
        f"The last {schedule.self_conditioning_share:.0%} of the steps feed the model's own belief "
        f"back (self-conditioning) {schedule.self_conditioning:.0%} of the time."
    )


def _rows(measured: dict[str, Any]) -> str:
    """A row for each part of the gaps, a column for each method."""
    lines = []
    for part in dict.fromkeys(row["part"] for row in measured["report"]):
        rates = [_percent(_row_of(measured, method, part)["exact"]) for method in METHODS]
        lines.append(f"| {LANGUAGE_NAMES.get(part, part)} | {' | '.join(rates)} |")
    return "\n".join(lines)


def _row_of(measured: dict[str, Any], method: str, part: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        row for row in measured["report"] if (row["method"], row["part"]) == (method, part)
    )
    return found


def _fresh(measured: dict[str, Any] | None) -> str:
    head = "| | checked | searched | alone | any |\n|---|---|---|---|---|\n"
    return "They were not measured." if measured is None else head + _rows(measured)


def _percent(rate: dict[str, Any]) -> str:
    low, high = 100 * rate["low"], 100 * rate["high"]
    return f"{100 * rate['mean']:.1f}% ({low:.1f} to {high:.1f}; n = {rate['n']})"


def _ablations(path: Path) -> str:
    """A table of small trainings, or that there were none."""
    if not path.exists():
        return "None were run for these settings."
    rows = json.loads(path.read_text(encoding="utf-8"))
    lines = [
        f"| {row['name']} | {row['parameters'] / 1e6:.2f} million | {row['steps']} "
        f"| {row['seconds']:.0f} s | {row['causal_loss']:.3f} | {row['slot_loss']:.3f} "
        f"| {row['gain']:+.3f} |"
        for row in rows
    ]
    head = (
        "| change | parameters | steps | time | causal loss | slot loss | gain |\n"
        "|---|---|---|---|---|---|---|\n"
    )
    return head + "\n".join(lines)


def _split(split: Split, languages: Iterable[str]) -> list[Package]:
    """The packages of a split from which some of `languages` are read."""
    return [
        package
        for package in read_manifest()
        if package.split == split and any(package.reads(each) for each in languages)
    ]


def _packages(split: Split, languages: Iterable[str]) -> str:
    found = sorted(_split(split, languages), key=lambda package: package.name)
    return ", ".join(f"{each.name} {each.version} ({each.licence})" for each in found)
