"""A Neovim in each version that is here; the others are skipped by name.

Most tests share one Neovim, whose engine follows the rules below: which one, the end of the file's
name says. A test that needs a start of its own has `start`.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import new_folder
from tests.editors.neovim.driver import VERSIONS, Neovim, find, server_command
from tests.hosting import Scripted, is_running, wait_until

Start = Callable[..., Neovim]

collect_ignore = [] if sys.platform == "linux" else ["test_screen.py"]

SUM = "first + second"
BLOCK = "a = 1\n    return a"
SHARPENING = {"steps": 40, "delay": 0.03}

RULES = (
    {"path": "-sum.py", "after": "= ", "text": SUM},
    {"path": "-choice.py", "after": "= ", "text": "one()", "others": ["two()", "three()"]},
    {"path": "-block.py", "after": "def f():\n    ", "text": BLOCK},
    {"path": "-call.py", "after": "f(", "text": "a, b)"},
    {"path": "-wide.py", "after": "    ", "text": "a = '🎉é'\n    b = 2"},
    {"path": "-tabs.go", "after": "{\n\t", "text": "a()\n\treturn"},
    {"path": "-sum.py", "after": "slow ", "text": "late", "steps": 1000, "delay": 0.02},
    {"path": "-body.py", "text": "return a + 1", **SHARPENING},
    {"path": "-crlf.py", "text": "a = '🎉'\n    return a", **SHARPENING},
    {"path": "-endless.py", "text": "return a", "steps": 1000, "delay": 0.02},
    {"path": "-holes.py", "texts": ["1", "22", "'é🎉'"], **SHARPENING},
    {"path": "-line.py", "text": "b = 3"},
    {"path": "-gap.py", "after": "x = ", "text": "1"},
)


@pytest.fixture(scope="session", params=VERSIONS, ids=lambda version: f"nvim-{version}")
def program(request: pytest.FixtureRequest) -> Path:
    """The environment names in INFILL_REQUIRED what must not be skipped."""
    if sys.platform != "linux":
        pytest.skip("the driver of these tests reads /proc, which only Linux has")
    version = request.param
    found = find(version)
    if found is None:
        required = f"nvim-{version}" in os.environ.get("INFILL_REQUIRED", "").split()
        (pytest.fail if required else pytest.skip)(
            f"Neovim {version} is not here: .ci/neovim installs it"
        )
    return found


class Shared:
    """The Neovim that tests share, and the engine's journal of the test that runs."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.scripted = Scripted(folder)
        self.scripted.write(*RULES)
        self.pids: set[int] = set()
        # A test counts what the engine does.
        options = {"cmd": server_command(self.scripted.script), "settings": {"speculate": False}}
        # It outlives this folder's tests: those of the engine are not to meet it.
        self._runtime = new_folder()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("INFILL_RUNTIME_DIR", str(self._runtime))
            self.neovim = Neovim(program, folder, options)
        self.numbers = count(1)

    def begin(self) -> None:
        self.neovim.number = next(self.numbers)
        self._forget_journal()

    def end(self) -> None:
        neovim = self.neovim
        neovim.type("<C-\\><C-n>")
        neovim.lua("require('infill').cancel() NOTIFIED = {}")
        neovim.api.command("silent! %bwipeout!")

    def quit(self) -> None:
        self._forget_journal()
        self.neovim.quit()
        for pid in self.pids:
            wait_until(lambda pid=pid: not is_running(pid), f"the end of engine {pid}")  # type: ignore[misc]
        shutil.rmtree(self._runtime, ignore_errors=True)

    def _forget_journal(self) -> None:
        self.pids |= {event["pid"] for event in self.scripted.events()}
        self.scripted.journal.write_text("")


@pytest.fixture(scope="session")
def shared(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    shared = Shared(program, tmp_path_factory.mktemp("neovim"))
    yield shared
    shared.quit()


@pytest.fixture
def neovim(shared: Shared) -> Iterator[Neovim]:
    shared.begin()
    yield shared.neovim
    shared.end()


@pytest.fixture
def engine(shared: Shared, neovim: Neovim) -> Scripted:
    """What it did in this test."""
    return shared.scripted


@pytest.fixture
def start(program: Path, scripted: Scripted, tmp_path: Path) -> Iterator[Start]:
    """`start(rule, ..., settings={...}, **options)`: a Neovim whose engine follows the rules, is
    loaded as `load` says, and tells `info` of itself."""
    started: list[Neovim] = []

    def start(*fills: dict[str, Any], load: Any = None, info: Any = None, **options: Any) -> Neovim:
        if fills or not scripted.script.exists():
            scripted.write(*fills, load=load or {}, info=info or {})
        folder = tmp_path / f"window{len(started)}"
        folder.mkdir()
        options.setdefault("cmd", server_command(scripted.script))
        options["settings"] = {"speculate": False, **options.get("settings", {})}
        neovim = Neovim(program, folder, options)
        started.append(neovim)
        return neovim

    yield start
    for neovim in started:
        neovim.quit()
