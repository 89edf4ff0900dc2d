"""What reading a checkpoint takes of the host's memory beside the mapped files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.engine.checkpoints import published
from tests.engine.checkpoints.measuring import STREAM, run


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self")
def test_no_more_than_two_weights_at_a_time_are_held(tmp_path: Path) -> None:
    """Two layers of the real size: what makes the next weight may overlap with the last one."""
    published.write(tmp_path, layers=2, vocabulary=1024)
    found = run(STREAM, tmp_path)
    assert found["read"] > 800_000_000
    assert found["peak"] < 2 * found["largest"] < 1 << 30
