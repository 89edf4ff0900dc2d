"""The command with the model that ships: no script, no network, a real fill."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(
    not [*ROOT.glob("engine/embedded/model*.safetensors")], reason="the embedded model is not here"
)
SOURCE = "def add(a, b):\n    return \n\n\nprint(add(1, 2))\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "sums.py"
    path.write_text(SOURCE)
    return path


def fill(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lsp_server", "fill", str(path), *arguments]
    return subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=300)


def as_json(path: Path, *arguments: str) -> dict[str, Any]:
    run = fill(path, *arguments, "--json", "--device", "cpu")
    assert (run.returncode, run.stderr) == (0, "")
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer


def test_a_real_fill(path: Path) -> None:
    answer = as_json(path, "--at", "2:12", "--seed", "3", "--steps", "8")
    assert list(answer) == [
        "text", "confidence", "steps", "seconds", "model", "device", "alternatives"
    ]  # fmt: skip
    assert "\n" not in answer["text"]
    assert 0 <= answer["confidence"] <= 1
    assert 1 <= answer["steps"] <= 8
    assert answer["seconds"] > 0
    assert answer["device"] == "cpu"
    assert {"text", "score", "confidence"} == {*answer["alternatives"][0]}
    assert path.read_text() == SOURCE
    again = as_json(path, "--at", "2:12", "--seed", "3", "--steps", "8")
    assert {**again, "seconds": 0} == {**answer, "seconds": 0}


def test_what_is_written_is_what_was_shown(path: Path) -> None:
    answer = as_json(path, "--at", "2:1", "--to", "3:1", "--write")
    assert path.read_text() == SOURCE.replace("    return \n", answer["text"])
