"""The model card: what the embedded model was trained on, for how long, and how well it does.

Written from `training.json` (by export), `evaluation.json` (by evaluate) and `corpus.toml`
into `card.md`; no number in it is typed by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.training.corpus import read_manifest
from engine.training.evaluate import expected_calibration_error
from engine.training.packages import Package
from engine.training.settings import Schedule, Settings

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


def render(
    settings: Settings, training: dict[str, Any], evaluation: dict[str, Any], folder: Path
) -> str:
    model, data, schedule = settings.model, settings.data, settings.schedule
    exact = {"all gaps": evaluation["exact"], **evaluation["by_kind"]}
    exact |= {LANGUAGE_NAMES.get(n, n): share for n, share in evaluation["by_language"].items()}
    exact["the model alone"] = evaluation["model_alone"]
    exact["any candidate"] = evaluation["any"]
    exact["cursor inside a word"] = evaluation["inside_word"]
    exact["cursor between words"] = evaluation["between_words"]
    calibration = evaluation["calibration"]
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
        seed=evaluation["seed"],
        exact_rows=_rows((name.replace("_", " "), share) for name, share in exact.items()),
        baseline_rows=_rows(evaluation["baselines"].items()),
        times=evaluation["times_best_baseline"],
        alone_times=evaluation["model_alone_times_best_baseline"],
        steps_mean=evaluation["steps_mean"],
        ece=expected_calibration_error(calibration),
        calibration_rows="\n".join(
            f"| {row['confidence']:.2f} | {row['n']} | {row['exact']:.2f} |" for row in calibration
        ),
        gate_rows="\n".join(_gate_row(row) for row in evaluation["gates"]),
        repeats=evaluation["repeats"]["percent"],
        languages=", ".join(
            f"{LANGUAGE_NAMES[name]} {weight / total:.1%}" for name, weight in read.items()
        ),
        ablations=_ablations(folder / "ablations.json"),
        train_count=len(_split("train", read)),
        held_out=_packages("held-out", evaluation["by_language"]),
        train=_packages("train", read),
    )


def _self_conditioning(schedule: Schedule) -> str:
    if not schedule.self_conditioning:
        return "It was not trained to read its own belief back (self-conditioning): that is off."
    return (
        f"The last {schedule.self_conditioning_share:.0%} of the steps feed the model's own belief "
        f"back (self-conditioning) {schedule.self_conditioning:.0%} of the time."
    )


def _rows(shares: Iterable[tuple[str, dict[str, Any]]]) -> str:
    return "\n".join(
        f"| {name} | {share['percent']:.1f}% ({share['low']:.1f} to {share['high']:.1f}; "
        f"n = {share['n']}) |"
        for name, share in shares
    )


def _gate_row(row: dict[str, Any]) -> str:
    exact = row["exact"]
    return (
        f"| {row['gate']:.2f} | {row['share']:.1%} | {exact['percent']:.1f}% "
        f"({exact['low']:.1f} to {exact['high']:.1f}) |"
    )


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


def _split(split: str, languages: Iterable[str]) -> list[Package]:
    """The packages of a split from which some of `languages` are read."""
    return [
        package
        for package in read_manifest()
        if package.split == split and any(package.reads(each) for each in languages)
    ]


def _packages(split: str, languages: Iterable[str]) -> str:
    found = sorted(_split(split, languages), key=lambda package: package.name)
    return ", ".join(f"{each.name} {each.version} ({each.licence})" for each in found)
