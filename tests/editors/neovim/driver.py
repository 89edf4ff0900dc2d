"""A Neovim of its own for a test: the real program, this repository's plugin, the real server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pynvim

from tests.hosting import FACTORY, is_running, wait_until

REPOSITORY = Path(__file__).parents[3]
PLUGIN = REPOSITORY / "editors" / "neovim"
VERSIONS = ("0.10", "0.12")
PATIENCE = 30
NAMESPACES = ("infill.ghost", "nvim.lsp.inline_completion")

# Loaded for every test. A test's own options come as `options`.
CONFIGURATION = """
local options = ...
vim.opt.runtimepath:prepend(options.plugin)
vim.opt.swapfile = false
vim.o.updatetime = 100
NOTIFIED = {}
vim.notify = function(message) table.insert(NOTIFIED, message) end
for key, plug in pairs({
  ['<M-a>'] = 'accept', ['<M-w>'] = 'accept-word', ['<M-l>'] = 'accept-line', ['<M-n>'] = 'next',
  ['<M-p>'] = 'previous', ['<M-d>'] = 'dismiss', ['<M-s>'] = 'suggest',
}) do
  vim.keymap.set('i', key, '<Plug>(infill-' .. plug .. ')')
end
vim.keymap.set('i', '<Tab>', function()
  return require('infill').is_visible() and '<Plug>(infill-accept)' or '<Tab>'
end, { expr = true, remap = true })
require('infill').setup(options.infill)
vim.cmd('runtime! plugin/infill.lua')
"""

# What is drawn and not in the buffer, as one text for each place.
DRAWN = """
local drawn = {}
for _, name in ipairs(...) do
  local namespace = vim.api.nvim_get_namespaces()[name]
  local marks = namespace and vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })
  for _, mark in ipairs(marks or {}) do
    local function text(chunks)
      return table.concat(vim.tbl_map(function(chunk) return chunk[1] end, chunks or {}))
    end
    local lines = { text(mark[4].virt_text) }
    for _, line in ipairs(mark[4].virt_lines or {}) do
      table.insert(lines, text(line))
    end
    local words = table.concat(lines, '\\n')
    if words ~= '' then
      table.insert(drawn, words)
    end
  end
end
return drawn
"""


@cache
def find(version: str) -> Path | None:
    """A Neovim of `version`: named in INFILL_NVIM, installed by .ci/neovim, or on the PATH."""
    named = os.environ.get("INFILL_NVIM", "").split(os.pathsep)
    found = shutil.which("nvim")
    for path in (*named, REPOSITORY / f"build/editors/nvim-{version}/bin/nvim", found or ""):
        if str(path) and Path(path).is_file():
            says = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
            if says.stdout.startswith(f"NVIM v{version}."):
                return Path(path)
    return None


class Neovim:
    """`nvim --embed`, driven by its API. Every wait has an end."""

    def __init__(self, program: Path, folder: Path, options: dict[str, Any]) -> None:
        self.folder = folder
        self.number = 0
        self.has_quit = False
        arguments = [str(program), "--embed", "--headless", "-n", "--clean"]
        self.api = pynvim.attach("child", argv=["env", *_settings(folder), *arguments])
        given = {"plugin": str(PLUGIN), "infill": options}
        self.api.exec_lua(CONFIGURATION, given)

    # What a user does

    def edit(self, name: str, text: str, *commands: str) -> Path:
        """Open a new file whose name ends with `name`; return when the server is ready for it."""
        path = self.folder / f"{self.number}-{name}"
        path.write_bytes(text.encode())
        self.api.command(f"edit {path}")
        for command in commands:
            self.api.command(command)
        wait_until(lambda: self.lua("return require('infill').status() ~= nil"), "the server")
        self.wait_for_state("ready")
        return path

    def type(self, keys: str) -> None:
        self.api.input(keys)

    def at(self, row: int, column: int) -> None:
        """Put the cursor there, both from 1 and 0 as Neovim has it."""
        self.api.current.window.cursor = (row, column)

    def infill(self, words: str) -> None:
        self.api.command(f"Infill {words}")

    # What a user sees

    @property
    def lines(self) -> list[str]:
        return list(self.api.current.buffer[:])

    @property
    def ghost(self) -> str:
        return "|".join(self.lua(DRAWN, NAMESPACES))

    @property
    def canvas(self) -> list[str]:
        return list(self.lua(DRAWN, ["infill.canvas"]))

    @property
    def notified(self) -> list[str]:
        return list(self.lua("return NOTIFIED"))

    @property
    def statusline(self) -> str:
        return str(self.lua("return require('infill').statusline()"))

    @property
    def state(self) -> str:
        return str(self.lua("return (require('infill').status() or { state = '' }).state"))

    def lua(self, code: str, *arguments: Any) -> Any:
        return self.api.exec_lua(code, *arguments)

    def wait_for_ghost(self, text: str) -> None:
        self.wait_for(lambda: self.ghost, text, "ghost text")

    def wait_for_lines(self, *lines: str) -> None:
        self.wait_for(lambda: self.lines, list(lines), "lines")

    def wait_for_state(self, state: str) -> None:
        self.wait_for(lambda: self.state, state, "state")

    def wait_for(self, look: Callable[[], Any], expected: Any, what: str) -> None:
        seen = look()
        deadline = time.monotonic() + PATIENCE
        while seen != expected:
            assert time.monotonic() < deadline, (
                f"the {what} stayed {seen!r}, not {expected!r}; told: {self.notified}"
            )
            time.sleep(0.01)
            seen = look()

    def stay(self, look: Callable[[], Any], expected: Any, seconds: float = 0.5) -> None:
        """For what must not happen."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert look() == expected
            time.sleep(0.02)

    def servers(self) -> list[int]:
        """Their process ids."""
        return [pid for pid in _children(self.pid) if "lsp_server" in _command_of(pid)]

    @property
    def pid(self) -> int:
        return int(self.api.call("getpid"))

    def quit(self) -> None:
        if self.has_quit:
            return
        self.has_quit = True
        pids = [self.pid, *self.servers()]
        with suppress(OSError, EOFError, pynvim.NvimError):
            self.api.command("qall!")
        self.api.close()
        for pid in pids:
            wait_until(lambda pid=pid: not is_running(pid), f"the end of process {pid}")  # type: ignore[misc]


def server_command(model: str | Path, scripted: bool = True) -> list[str]:
    command = [sys.executable, "-m", "lsp_server", "--model", str(model)]
    return [*command, "--factory", FACTORY] if scripted else command


def _settings(folder: Path) -> Sequence[str]:
    """Where this Neovim keeps its files: not where the user's does."""
    names = ("CONFIG", "DATA", "CACHE")
    places = [f"XDG_{name}_HOME={folder / name.lower()}" for name in names]
    return [*places, f"PYTHONPATH={REPOSITORY}", f"NVIM_LOG_FILE={folder / 'nvim.log'}"]


def _children(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = [int(each) for each in children]
    return found + [below for each in found for below in _children(each)]


def _command_of(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""
