"""The model card: what the embedded model was trained on, for how long, and how well it does.

Written from `training.json` (by export), `evaluation.json` (by evaluate) and `corpus.toml`
into `card.md`; no number in it is typed by hand.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.training.corpus import MANIFEST
from engine.training.evaluate import expected_calibration_error
from engine.training.settings import Settings

TEMPLATE = Path(__file__).with_name("card.md")


def write_card(settings: Settings, folder: Path) -> Path:
    """Write `folder`/README.md from the JSON files beside it; returns its path."""
    training = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    card = folder / "README.md"
    card.write_text(render(settings, training, evaluation), encoding="utf-8")
    return card


def render(settings: Settings, training: dict[str, Any], evaluation: dict[str, Any]) -> str:
    corpus = tomllib.loads(MANIFEST.read_text(encoding="utf-8"))
    model, data, schedule = settings.model, settings.data, settings.schedule
    exact = {"all gaps": evaluation["exact"], **evaluation["by_kind"]}
    exact["the model alone"] = evaluation["model_alone"]
    exact["cursor inside a word"] = evaluation["inside_word"]
    exact["cursor between words"] = evaluation["between_words"]
    calibration = evaluation["calibration"]
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
        causal_share=schedule.causal_share,
        canvases=data.canvases,
        random=settings.noise.random,
        sc_share=schedule.self_conditioning_share,
        sc=schedule.self_conditioning,
        tail=training["tail"],
        slot_loss=training["slot_loss"],
        causal_loss=training["causal_loss"],
        seed=evaluation["seed"],
        exact_rows=_rows((name.replace("_", " "), share) for name, share in exact.items()),
        baseline_rows=_rows(evaluation["baselines"].items()),
        times=evaluation["times_best_baseline"],
        alone_times=evaluation["model_alone_times_best_baseline"],
        p50=1e3 * evaluation["fill_seconds"]["p50"],
        p95=1e3 * evaluation["fill_seconds"]["p95"],
        steps_mean=evaluation["steps_mean"],
        ece=expected_calibration_error(calibration),
        calibration_rows="\n".join(
            f"| {row['confidence']:.2f} | {row['n']} | {row['exact']:.2f} |" for row in calibration
        ),
        train_count=len(corpus["train"]),
        held_out=_packages(corpus["held-out"]),
        train=_packages(corpus["train"]),
    )


def _rows(shares: Iterable[tuple[str, dict[str, Any]]]) -> str:
    return "\n".join(
        f"| {name} | {share['percent']:.1f}% ({share['low']:.1f} to {share['high']:.1f}; "
        f"n = {share['n']}) |"
        for name, share in shares
    )


def _packages(section: dict[str, dict[str, str]]) -> str:
    return ", ".join(
        f"{name} {pin['version']} ({pin['licence']})" for name, pin in sorted(section.items())
    )
