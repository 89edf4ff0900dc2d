"""The moving picture in the README: Neovim with the plugin and the model that ships, recorded.

    python -m tests.editors.neovim.record [--out docs/images/neovim.svg]

Nothing in it is drawn by hand: the keys below are typed into a Neovim in a terminal, and every
change of its screen is a frame. What takes long is kept, but for pauses longer than LONGEST.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.editors.neovim.driver import PLUGIN, REPOSITORY, VERSIONS, find, server_command
from tests.editors.neovim.film import INK, PAPER, Cell, Frame, film
from tests.editors.neovim.screen import Terminal

OUT = REPOSITORY / "docs" / "images" / "neovim.svg"
ROWS, COLUMNS = 22, 68
LONGEST = 1.5  # seconds
# So that the model, which is small, is seen to speak: the default is 0.35.
THRESHOLD = 0.2

CONFIGURATION = """
vim.opt.runtimepath:prepend('%s')
vim.o.termguicolors, vim.o.swapfile, vim.o.number = true, false, true
vim.o.laststatus, vim.o.ruler, vim.o.showcmd = 2, false, false
vim.cmd('filetype indent off')
vim.o.autoindent = true
vim.o.statusline = ' %%t%%=%%{v:lua.require("infill").statusline()} '
require('infill').setup({ cmd = { %s }, cli = { %s }, settings = { minConfidence = %s } })
"""

FILE = '''class Account:
    """What somebody has in a bank."""

    def __init__(self, owner, balance=0):
        self.owner = ...
        self.balance = ...

    def deposit(self, amount):
        if amount <= 0:
            raise ValueError("amount must be positive")
        self.balance += amount

    def withdraw(self, amount):
'''
ACCEPT = "\x1bl"  # Alt and l: the plugin's key


class Recorder(Terminal):
    """A terminal that keeps every state of its screen, with the time it came."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        super().__init__(command, environment, ROWS, COLUMNS, patience=60.0)
        self.frames: list[Frame] = []

    def _read(self) -> None:
        super()._read()
        screen = tuple(
            tuple(self._cell(row, column) for column in range(COLUMNS)) for row in range(ROWS)
        )
        if not self.frames or screen != self.frames[-1].screen:
            self.frames.append(Frame(time.monotonic(), screen))

    def _cell(self, row: int, column: int) -> Cell:
        char = self._screen.buffer[row][column]
        front, back = char.fg, char.bg
        if char.reverse:
            front, back = (
                PAPER if back == "default" else back,
                INK if front == "default" else front,
            )
        at = (self._screen.cursor.y, self._screen.cursor.x) == (row, column)
        return Cell(char.data, front.strip("#"), back.strip("#"), char.bold, at)

    def pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._read()

    def type_slowly(self, keys: str) -> None:
        for key in keys:
            self.type(key)
            self.pause(0.09)


def record(program: Path, folder: Path) -> list[Frame]:
    (folder / "account.py").write_text(FILE)
    words = [f"[[{word}]]" for word in server_command("embedded", scripted=False)]
    command, cli = ", ".join(words), ", ".join(words[:3])
    (folder / "init.lua").write_text(CONFIGURATION % (PLUGIN, command, cli, THRESHOLD))
    environment = {
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "PYTHONPATH": str(REPOSITORY),
        **{f"XDG_{name}_HOME": str(folder) for name in ("CONFIG", "DATA", "CACHE", "STATE")},
    }
    init = ["-n", "--clean", "-u", str(folder / "init.lua"), "account.py"]
    os.chdir(folder)
    terminal = Recorder([str(program), *init], environment)
    try:
        play(terminal)
        return list(terminal.frames)
    finally:
        terminal.close()


def play(terminal: Recorder) -> None:
    terminal.wait_for("infill: ready")
    terminal.type(":echo\r")  # what Neovim says of a terminal that does not tell its background
    terminal.pause(0.5)
    terminal.frames.clear()
    # Two holes of a function, resolved together; the model is not confident, and so it asks.
    terminal.type("5G")
    terminal.pause(0.8)
    terminal.type_slowly(":Infill holes\r")
    terminal.wait_for("choose what goes in")
    terminal.pause(1.5)
    terminal.type("1\r")
    terminal.wait_for("self.balance = balance")
    terminal.pause(1.5)
    # Ghost text: shown, taken, shown again, taken.
    terminal.type("Go")
    for typed, shown in (("    if ", "if amount <= 0:"), ("    raise ", "raise ValueError")):
        before = terminal.text.count(shown)
        terminal.type_slowly(typed)
        terminal.wait_until(lambda s=shown, n=before: terminal.text.count(s) > n, shown)
        terminal.pause(1.2)
        terminal.type(ACCEPT)
        terminal.pause(0.6)
        terminal.type("\r")
    terminal.pause(2.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT)
    out = parser.parse_args().out.resolve()
    program = next(filter(None, map(find, reversed(VERSIONS))), None)
    if program is None:
        raise SystemExit("there is no Neovim: .ci/neovim installs one, or name it in INFILL_NVIM")
    with tempfile.TemporaryDirectory() as folder:
        frames = record(program, Path(folder))
    out.write_text(film(frames, LONGEST), encoding="utf-8")
    print(f"{out}: {len(frames)} frames, {out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
