"""`infill-ls eval typing`, through a real server with a scripted engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lsp_server.commands.pauses import read_pauses
from tests.cli.conftest import Infill

SOURCE = "".join(
    f"def total_{n}(basket):\n    found = sum({n}, basket)\n    return found\n\n\n"
    for n in range(9)
)


@pytest.fixture
def really(monkeypatch: pytest.MonkeyPatch, infill: Infill) -> Infill:
    """The command with an engine in a process of its own."""
    monkeypatch.undo()
    monkeypatch.setenv("COLUMNS", "120")
    return infill


def test_pauses_are_typed_and_what_is_said_there_is_judged(really: Infill, tmp_path: Path) -> None:
    project, script = tmp_path / "project", tmp_path / "script.json"
    project.mkdir()
    (project / "a.py").write_text(SOURCE)
    rules = [
        {"after": "return ", "text": "found", "confidence": 0.9},
        {"after": "found = ", "text": "sum(other)", "confidence": 0.1},  # by hand alone
    ]
    script.write_text(json.dumps({"fills": rules}))
    asked = ["eval", "typing", "--data", project, "--factory", "tests.scripted:load"]
    asked += ["--model", script, "--limit", 15]
    outcome = really(*map(str, asked), "--json")
    assert outcome.code == 0, outcome.err
    told = json.loads(outcome.out)
    assert (told["suite"], told["model"], len(told["answers"])) == ("typing", "scripted", 15)
    pauses = read_pauses(project, 15, 0)
    for pause, answer in zip(pauses, told["answers"], strict=True):
        assert answer["id"] == pause.id
        if pause.prefix.endswith("return "):
            assert (answer["unasked"], answer["by hand"]) == ("found", "found")
        elif pause.prefix.endswith("found = "):
            assert answer["unasked"] is None
            assert answer["by hand"]
        else:
            assert answer["by hand"] is None
    returns = sum(pause.prefix.endswith("return ") for pause in pauses)
    values = sum(pause.prefix.endswith("found = ") for pause in pauses)
    assert returns
    assert values
    unasked, by_hand = (told["report"][way][0] for way in ("unasked", "by hand"))
    assert unasked["exact"]["mean"] == unasked["spoken"]["mean"] == returns / 15
    assert by_hand["spoken"]["mean"] == (returns + values) / 15
    assert unasked["saved"] == pytest.approx(100 * returns * (len("found") - 1) / 15)

    outcome = really(*map(str, asked))
    assert outcome.code == 0, outcome.err
    for words in ("unasked, 15 pauses", "by hand, 15 pauses", "new body", "characters saved"):
        assert words in outcome.out


def test_data_without_pauses(infill: Infill, tmp_path: Path) -> None:
    outcome = infill("eval", "typing", "--data", tmp_path)
    assert (outcome.code, "too few pauses" in outcome.err) == (2, True)
