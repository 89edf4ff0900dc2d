"""The kernels themselves, run on the CPU by Triton's interpreter in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kernels.backend import triton

FOLDER = Path(__file__).parent / "interpreted"


@pytest.mark.skipif(triton is None, reason="there is no Triton for this system")
@pytest.mark.parametrize("file", sorted(FOLDER.glob("test_*.py")), ids=lambda file: file.stem)
def test_interpreted(file: Path) -> None:
    environment = os.environ | {"TRITON_INTERPRET": "1", "INFILL_KERNELS": "triton"}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=short", str(file)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
