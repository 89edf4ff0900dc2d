"""The packaged extension: the same bytes, wherever and whenever it is packaged."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.editors.vscode.server import EXTENSION, VSIX, Installed


def test_the_same_sources_give_the_same_bytes(installed: Installed, tmp_path: Path) -> None:
    """Another time zone, another clock, another umask than those of `make vscode`."""
    again = tmp_path / "again.vsix"
    subprocess.run(
        [installed.node, EXTENSION / "scripts" / "package.mjs", again],
        env={**os.environ, "TZ": "Asia/Tokyo"},
        umask=0o077,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    assert again.read_bytes() == VSIX.read_bytes()
