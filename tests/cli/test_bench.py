"""`infill-ls bench`, with a real server and a scripted engine; and what its engine part counts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from lsp_server.commands.bench import command as bench
from lsp_server.commands.bench.typist import KEYS, gap
from tests.cli.conftest import Infill

FILLS = 3


@pytest.fixture
def really(monkeypatch: pytest.MonkeyPatch, infill: Infill) -> Infill:
    """The command with an engine in a process of its own."""
    monkeypatch.undo()
    monkeypatch.setenv("COLUMNS", "100")
    return infill


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"fills": [{"text": "a"}]}))
    return path


def test_ghost_text_is_timed_through_the_real_server(
    really: Infill, script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("XDG_STATE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(folder, str(tmp_path))
    asked = ["bench", "--factory", "tests.scripted:load", "--model", script, "--fills", FILLS]
    outcome = really(*map(str, asked), "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert (found["model"], found["device"], found["engine"]) == ("scripted", "script", None)
    ghost = found["ghost_text"]
    assert ghost["asked"] == FILLS * (1 + KEYS)
    assert ghost["shown"] == ghost["asked"]
    for kind in ("place", "key"):
        assert 0 < ghost[kind]["p50"] <= ghost[kind]["p95"]
    assert found["machine"]["python"] == sys.version.split()[0]
    assert not list(tmp_path.rglob("stats.json"))  # nobody has seen any of it


def test_an_engine_that_cannot_be_loaded(really: Infill) -> None:
    outcome = really("bench", "--model", "nowhere")
    assert outcome.code == 1
    assert 'there is no model "nowhere"' in outcome.err


INNER: dict[str, Any] = {
    "format": "nvfp4 (modelopt)",
    "dtype": "bfloat16",
    "card": "RTX 4090",
    "threads": 8,
    "rates": {"bandwidth": 9.2e11, "operations": 1.4e14},
    "step": {
        "milliseconds": 21.5,
        "floor": 14.25,
        "shape": {"candidates": 6, "canvas": 160, "open": 24},
    },
    "prompt": {"tokens": 4096, "cold": 400.0, "typed": 12.5, "reused": 0.97},
    "block": {"tokens_per_second": 310.0},
}


def test_what_is_pasted() -> None:
    quantiles = {"p50": 120.0, "p95": 180.0}
    told = bench.as_markdown(
        {
            "model": "diffusiongemma-nvfp4",
            "device": "cuda",
            "machine": {"system": "Linux", "python": "3.12", "processor": "x", "cores": 8},
            "versions": {"torch": "2.13", "triton": None},
            "ghost_text": {"place": quantiles, "key": quantiles, "asked": 80, "shown": 71},
            "engine": INNER,
        }
    )
    for words in (
        "**diffusiongemma-nvfp4** on cuda",
        "triton absent",
        "| at another place | 120.0 | 180.0 |",
        "71 of 80",
        "| one step, 6 canvases of 160, ms | 21.50 | 14.25 |",
        "97% reused",
        "| tokens per second, blocks | 310.0 | |",
        "920.0 GB/s and 140.00 TFLOP/s",
    ):
        assert words in told
    without = {**INNER, "step": {**INNER["step"], "milliseconds": None}}
    assert "| - | 14.25 |" in "\n".join(bench._of_the_engine(without))


@pytest.mark.parametrize("number", range(20))
def test_gaps_are_in_the_source(number: int) -> None:
    text, line, column, rest = gap(number)
    assert text.splitlines()[line][:column].endswith(" = ")
    assert len(text.splitlines()[line]) == column
    assert len(rest) > KEYS
