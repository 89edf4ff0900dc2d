"""Neovim with the model that ships. What it shows is its own to say; that it shows is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.editors.neovim.conftest import Start
from tests.editors.neovim.driver import REPOSITORY, server_command

POINT = """class Point:
    def __init__(self, x, y):
        self.x = x
"""


def test_the_model_that_ships_is_seen_and_accepted(start: Start, tmp_path: Path) -> None:
    if not list((REPOSITORY / "engine" / "embedded").glob("model*.safetensors")):
        pytest.skip("engine/embedded holds no model yet")
    settings = {"minConfidence": 0}  # the model alone is seldom sure enough to show by itself
    neovim = start(cmd=server_command("embedded", scripted=False), settings=settings)
    neovim.edit("point.py", POINT)
    neovim.type("Go        self.<M-s>")
    neovim.wait_for(lambda: neovim.ghost != "", True, "ghost text")
    ghost = neovim.ghost.split(" (1/")[0]
    neovim.type("<M-a>")
    *above, line = ghost.split("\n")
    neovim.wait_for(lambda: neovim.lines[-1].endswith(line), True, "accepted text")
    assert len(neovim.lines) == 4 + len(above)
    assert neovim.statusline.startswith("infill: ")
