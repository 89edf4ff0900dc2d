"""The card says what the files beside it say."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from engine.checkpoints.catalog import EMBEDDED_FOLDER
from engine.evaluation.baselines import baselines
from engine.evaluation.items import Item
from engine.evaluation.measure import Answer, judge
from engine.evaluation.question import digest_profile, digest_weights
from engine.evaluation.report import calibrations, report
from engine.training.ablate import Row, write_rows
from engine.training.card import METHODS, keep_evaluations, write_card
from engine.training.settings import Settings

TRAINING = {
    "languages": {"python": 3, "javascript": 1}, "causal_share": 0.1,
    "parameters": 5_783_000, "bytes": 11 * 2**20, "hardware": "a loom", "steps": 4300,
    "seconds": 7200, "chunk_tokens": 19_000_000, "canvases": 184_000, "tail": 100,
    "slot_loss": 3.0, "causal_loss": 2.3,
}  # fmt: skip


def answer(language: str, method: str, text: str, confidence: float, number: int) -> Answer:
    item = Item(str(number), "x = ", "\n", "1", language, number == 9)
    return judge(item, method, text, 4, 0.5, execute=False, confidence=confidence)


def evaluation(folder: Path, suite: str) -> Path:
    """What `infill-ls eval` prints."""
    answers = [
        answer(language, method, text, confidence, number)
        for method in METHODS
        for language, text, confidence, number in (
            ("python", "1", 0.9, 1), ("python", "2", 0.6, 2), ("lua", "1", 0.15, 9)
        )
    ]  # fmt: skip
    asked = {"suite": suite, "seed": 7, "model": "/somewhere", "weights": digest_weights(folder)}
    told = {
        "asked": {**asked, "profile": digest_profile(folder)},
        "report": report(answers),
        "baselines": baselines([Item("1", "    ", "\n", "pass", "python", False)]),
        "calibration": calibrations(answers),
        "results": "/somewhere/else",
    }
    path = folder / f"{suite}.json"
    path.write_text(json.dumps(told))
    return path


def test_the_card(tmp_path: Path) -> None:
    (tmp_path / "training.json").write_text(json.dumps(TRAINING))
    for name in ("profile.json", "config.json"):
        shutil.copyfile(EMBEDDED_FOLDER / name, tmp_path / name)
    keep_evaluations([evaluation(tmp_path, "held-out")], tmp_path)
    settings = Settings.read()
    text = write_card(settings, tmp_path).read_text(encoding="utf-8")
    for said in (
        "| all | 66.7% (20.8 to 93.9; n = 3) |",
        "| Python | 50.0%",
        "| Lua | 100.0%",
        "| blocks | 100.0%",
        "| 0.20 | 66.7% | 50.0%",
        "They were not measured.",
        "on a loom",
        "To report on: ",
        "httpx 0.28.1 (BSD-3-Clause)",
        "semble 0.7.0 (MIT)",
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

    keep_evaluations([evaluation(tmp_path, "fresh")], tmp_path)
    kept = json.loads((tmp_path / "evaluation.json").read_text())
    assert kept.keys() == {"held-out", "fresh"}
    assert "/somewhere" not in json.dumps(kept)
    assert "They were not measured." not in write_card(settings, tmp_path).read_text("utf-8")


def test_a_card_tells_of_its_own_model_alone(tmp_path: Path) -> None:
    for name in ("profile.json", "config.json"):
        shutil.copyfile(EMBEDDED_FOLDER / name, tmp_path / name)
    before = evaluation(tmp_path, "held-out")
    with pytest.raises(ValueError, match="of the suite tune"):
        keep_evaluations([evaluation(tmp_path, "tune")], tmp_path)
    keep_evaluations([before], tmp_path)
    profile = json.loads((tmp_path / "profile.json").read_text())
    (tmp_path / "profile.json").write_text(json.dumps({**profile, "name": "another"}))
    with pytest.raises(ValueError, match="tells of another model"):
        keep_evaluations([before], tmp_path)
    keep_evaluations([], tmp_path)
    assert json.loads((tmp_path / "evaluation.json").read_text()) == {}
