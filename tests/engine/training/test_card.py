"""The card says what the files beside it say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from engine.api import Alternative, Fill
from engine.training.ablate import Row, write_rows
from engine.training.card import write_card
from engine.training.evaluate import Answer, report, to_json
from engine.training.items import Item
from engine.training.settings import Settings

TRAINING = {
    "languages": {"python": 3, "javascript": 1}, "causal_share": 0.1,
    "parameters": 5_783_000, "bytes": 11 * 2**20, "hardware": "a loom", "steps": 4300,
    "seconds": 7200, "chunk_tokens": 19_000_000, "canvases": 184_000, "tail": 100,
    "slot_loss": 3.0, "causal_loss": 2.3,
}  # fmt: skip


def answer(language: str, text: str, confidence: float) -> Answer:
    item = Item("rest_of_line", "x = ", "1", "\n", language)
    return Answer(
        item, Fill((text,), confidence, 2, 64, 0.5, (Alternative((text,), 0.0, confidence),)), text
    )


def test_the_card(tmp_path: Path) -> None:
    answers = [answer("python", "1", 0.9), answer("python", "2", 0.6), answer("lua", "1", 0.15)]
    (tmp_path / "training.json").write_text(json.dumps(TRAINING))
    (tmp_path / "evaluation.json").write_text(to_json(report(answers, 7, 0.0)))
    settings = Settings.read()
    text = write_card(settings, tmp_path).read_text(encoding="utf-8")
    for said in (
        "| all gaps | 66.7%",
        "| Python | 50.0%",
        "| Lua | 100.0%",
        "| 0.20 | 66.7% | 50.0%",
        "on a loom",
        "lua-penlight 1.13.1-3 (MIT)",
        "None were run",
        "that is off",
        "Python 75.0%, JavaScript 25.0%",
    ):
        assert said in text, said
    assert "{" not in text

    rows = [Row("baseline", 1_000_000, 60, 30.0, 6.1, 5.0, 0.0)]
    write_rows([*rows, replace(rows[0], name="no order", gain=-0.25)], tmp_path / "ablations.json")
    conditioned = replace(settings.schedule, self_conditioning=0.5)
    text = write_card(replace(settings, schedule=conditioned), tmp_path).read_text(encoding="utf-8")
    assert "| no order | 1.00 million | 60 | 30 s | 5.000 | 6.100 | -0.250 |" in text
    assert "back (self-conditioning) 50% of the time" in text
