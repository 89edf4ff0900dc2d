"""A whole evaluation: its rows, and going on after it was ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.api import Fill
from engine.evaluation import __main__ as evaluation
from engine.evaluation.items import Item
from tests.engine.evaluation.test_items import DOUBLE, write


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


def test_answers_to_another_question_are_left_alone(
    evaluate: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    results = str(tmp_path / "results.jsonl")
    evaluate(Scripted(), "--results", results)
    (told,) = evaluate(Scripted(), "--results", results, "--seed", "1")
    assert "another question" in told["error"]
    (tmp_path / "notes").write_text("my notes\n")
    (told,) = evaluate(Scripted(), "--results", str(tmp_path / "notes"))
    assert "no answers of an evaluation" in told["error"]
    assert (tmp_path / "notes").read_text() == "my notes\n"
