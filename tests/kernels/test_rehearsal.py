"""`benchmarks/gpu.py`, tiny and in the interpreter: on a card it has to run at the first try."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from kernels.backend import triton

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(triton is None, reason="there is no Triton for this system")
def test_every_part_runs(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "benchmarks/gpu.py", "--rehearse", "--out", str(tmp_path)],
        cwd=ROOT,
        env=os.environ
        | {"TRITON_INTERPRET": "1", "INFILL_KERNELS": "triton", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert not found["failures"]
    assert not [note for note in found["notes"] if "left out" in note]
    measured = {row["what"] for row in found["rows"]}
    assert measured >= {
        "experts, nvfp4",
        "step, 1 x 5",
        "step, 2 x 3",
        "transformers, eager",
        "transformers, compiled",
    }
    assert len([check for check in found["checks"] if "whole step" in check["what"]]) == 3
    assert "| experts, fp8 |" in (tmp_path / "gpu.md").read_text()


def test_a_failed_part_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])  # the script adds its folder
    gpu = runpy.run_path(str(ROOT / "benchmarks" / "gpu.py"))

    def fail(run: object) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setitem(gpu["perform"].__globals__, "parts", lambda: [("steps", 1, fail)])
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--rehearse", "--out", str(tmp_path)])
    assert gpu["main"]() == 1
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["failures"] == ["steps: RuntimeError: out of luck"]
