"""A whole evaluation: its rows, and going on after it was ended."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.api import Fill
from engine.checkpoints.catalog import EMBEDDED_FOLDER
from engine.evaluation import __main__ as evaluation
from engine.evaluation.items import BadData, Item
from engine.evaluation.question import digest_code, digest_weights
from tests.engine.evaluation.test_suites import DOUBLE, write


class Scripted:
    """Fills by the oracle's length are right, by others empty; `ends` after so many."""

    def __init__(self, ends: int | None = None) -> None:
        self.asked: list[tuple[str, str]] = []
        self.ends = ends

    def fill(self, item: Item, method: str) -> Fill:
        if self.ends is not None and len(self.asked) == self.ends:
            raise KeyboardInterrupt
        self.asked.append((item.id, method))
        text = item.solution if method == "oracle" else ""
        return Fill((text,), confidence=1.0, steps=4, canvas_tokens=32, seconds=0.5)


@pytest.fixture
def evaluate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., list[dict[str, Any]]]:
    data = write(tmp_path / "d.jsonl", *({**DOUBLE, "task_id": str(n)} for n in range(3)))
    monkeypatch.setenv("INFILL_MODELS", str(tmp_path / "store" / "models"))

    def run(filler: Scripted, *arguments: str) -> list[dict[str, Any]]:
        monkeypatch.setattr(evaluation, "_filler", lambda *_: filler)
        evaluation.main(["humaneval-infilling", "--data", str(data), *arguments])
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def test_every_item_by_every_method(evaluate: Callable[..., list[dict[str, Any]]]) -> None:
    told = evaluate(Scripted(), "--execute")
    assert told[0] == {"total": 9, "done": 0}
    assert [message["done"] for message in told[1:-1]] == list(range(1, 10))
    rows = {row["method"]: row for row in told[-1]["report"]}
    assert [rows[name]["pass@1"]["mean"] for name in ("searched", "fixed", "oracle")] == [0, 0, 1]
    assert rows["oracle"]["forwards"] == 6
    assert Path(told[-1]["results"]).parent.name == "evaluations"


def test_it_goes_on_where_it_was_ended(evaluate: Callable[..., list[dict[str, Any]]]) -> None:
    with pytest.raises(KeyboardInterrupt):
        evaluate(Scripted(ends=4))
    rest = Scripted()
    told = evaluate(rest)
    assert told[-1]["report"][0]["n"] == 3
    assert len(rest.asked) == 5
    results = Path(told[-1]["results"])
    results.write_text(results.read_text()[:-20])  # the machine went down in the last line
    last = Scripted()
    assert evaluate(last)[-1]["report"] == told[-1]["report"]
    assert last.asked == [("2", "oracle")]
    assert evaluate(Scripted(ends=0))[-1]["report"] == told[-1]["report"]


def retrain(model: Path) -> None:
    weights = bytearray((model / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (model / "model.safetensors").write_bytes(weights)


def recalibrate(model: Path) -> None:
    profile = json.loads((model / "profile.json").read_text())
    profile["ranking"]["calibration"]["constant"] += 0.1
    (model / "profile.json").write_text(json.dumps(profile))


def another_tokenizer(model: Path) -> None:
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    (model / "tokenizer.json").write_text(json.dumps(tokenizer) + "\n")


def another_package(model: Path) -> None:
    (model.parent / "made_editor" / "deep" / "clean.py").write_text("WIDTH = 9\n")


def another_data(model: Path) -> None:
    content = (model.parent / "files" / "a.py").read_text()
    (model.parent / "files" / "a.py").write_text(content.replace("compute(7)", "compute(8)"))


def its_card(model: Path) -> None:
    (model / "README.md").write_text("trained again, and the weights came out the same")


def another_kind_of_file(model: Path) -> None:
    (model.parent / "files" / "notes.txt").write_text("nothing is cut from it")


# what changes -> whether answers from before are of no use, and what is said of it
CHANGES: dict[Callable[[Path], None], tuple[bool, str]] = {
    retrain: (True, "weights"),
    recalibrate: (True, "profile"),
    another_tokenizer: (True, "weights"),
    another_package: (True, "code"),
    another_data: (True, "data"),
    its_card: (False, ""),
    another_kind_of_file: (False, ""),
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_answers_belong_to_weights_profile_data_and_code(
    change: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    model = shutil.copytree(EMBEDDED_FOLDER, tmp_path / "model")
    package = tmp_path / "made_editor" / "deep"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "clean.py").write_text("WIDTH = 8\n")
    (tmp_path / "files").mkdir()
    lines = "".join(f"value_{n} = compute({n})\n" for n in range(30))
    (tmp_path / "files" / "a.py").write_text(lines)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("INFILL_MODELS", str(tmp_path / "store"))

    def run(*more: str) -> tuple[Scripted, dict[str, Any]]:
        filler = Scripted()
        monkeypatch.setattr(evaluation, "_filler", lambda *_: filler)
        asked = ["files", "--data", str(tmp_path / "files"), "--model", str(model)]
        evaluation.main([*asked, "--editor", "made_editor.deep.clean:put_in", *more])
        return filler, json.loads(capsys.readouterr().out.splitlines()[-1])

    own = ("--results", str(tmp_path / "own.jsonl"))
    run(*own)
    first, _ = run()
    assert len(first.asked) == 6
    again, _ = run()
    assert again.asked == []
    change(model)
    is_another, named = CHANGES[change]
    after, _ = run()
    assert bool(after.asked) == is_another
    _, told = run(*own)
    if is_another:
        assert f"another question (not the same: {named})" in told["error"]
    else:
        assert "report" in told


def test_the_digest_of_code() -> None:
    assert digest_code(["kernels"]) != digest_code(["engine"]) != digest_code(["engine", "kernels"])
    assert digest_code(["engine"]) == digest_code(["engine"])
    with pytest.raises(BadData, match="no package nowhere_at_all"):
        digest_code(["nowhere_at_all"])


def test_a_pulled_models_weights_are_known_by_its_receipt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not read again; what was written beside them is."""
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"1234")
    plain = digest_weights(tmp_path)
    told = {"files": {"model.safetensors": {"size": 4, "checksum": "ab" * 32}}}
    (tmp_path / "pulled.json").write_text(json.dumps(told))
    pulled = digest_weights(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"5678")
    assert digest_weights(tmp_path) == pulled != plain
    (tmp_path / "config.json").write_text('{"a": 1}')
    assert digest_weights(tmp_path) != pulled


def test_answers_to_another_question_are_left_alone(
    evaluate: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    results = str(tmp_path / "results.jsonl")
    evaluate(Scripted(), "--results", results)
    (told,) = evaluate(Scripted(), "--results", results, "--seed", "1")
    assert "another question (not the same: seed)" in told["error"]
    (tmp_path / "notes").write_text("my notes\n")
    (told,) = evaluate(Scripted(), "--results", str(tmp_path / "notes"))
    assert "no answers of an evaluation" in told["error"]
    assert (tmp_path / "notes").read_text() == "my notes\n"
