"""What a user sees: Neovim in a terminal, by its screen. Pictures of it go to build/screenshots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.editors.neovim.driver import PLUGIN, REPOSITORY, server_command
from tests.editors.neovim.screen import Terminal
from tests.hosting import Scripted

CONFIGURATION = """
vim.opt.runtimepath:prepend('%s')
vim.o.termguicolors, vim.o.swapfile, vim.o.number = true, false, true
vim.o.laststatus = 2
vim.o.statusline = ' %%t%%=%%{v:lua.require("infill").statusline()} '
vim.keymap.set('i', '<C-f>', '<Plug>(infill-accept)')
require('infill').setup({ cmd = { %s }, cli = { %s }, settings = { speculate = false } })
"""

FUNCTION = """def mean(values):
    ...


def spread(values):
    middle = ...
    return max(abs(each - middle) for each in values)
"""

Open = Callable[[str], Terminal]


@pytest.fixture
def open_terminal(program: Path, scripted: Scripted, tmp_path: Path) -> Iterator[Open]:
    """`open_terminal(text)`: a file that holds `text`, the server ready for it."""
    opened: list[Terminal] = []

    def open_terminal(text: str) -> Terminal:
        file, init = tmp_path / "statistics.py", tmp_path / "init.lua"
        file.write_text(text)
        words = [f"[[{word}]]" for word in server_command(scripted.script)]
        command, cli = ", ".join(words), ", ".join(words[:3])
        init.write_text(CONFIGURATION % (PLUGIN, command, cli))
        environment = {
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "PYTHONPATH": str(REPOSITORY),
            **{f"XDG_{name}_HOME": str(tmp_path) for name in ("CONFIG", "DATA", "CACHE")},
        }
        arguments = ["-n", "--clean", "-u", str(init), str(file)]
        terminal = Terminal([str(program), *arguments], environment)
        opened.append(terminal)
        terminal.wait_for("infill: ready")
        return terminal

    yield open_terminal
    for terminal in opened:
        terminal.close()


@pytest.fixture
def version(request: pytest.FixtureRequest) -> str:
    return str(request.node.callspec.id)


def test_ghost_text_is_on_the_screen(open_terminal: Open, scripted: Scripted, version: str) -> None:
    text = "total = sum(values)\n    return total / len(values)"
    scripted.write({"after": "):\n    ", "text": text})
    terminal = open_terminal("")
    terminal.type("idef mean(values):\r")
    terminal.wait_for("    total = sum(values)", "    return total / len(values)")
    ghost = terminal.colour_of("total = sum")
    assert ghost != terminal.colour_of("mean")
    terminal.save(f"{version}-ghost-text")
    terminal.type("total")
    terminal.wait_for("    total = sum(values)", "    return total / len(values)")
    terminal.type("\x06")
    terminal.wait_for("total = sum(values)", "    return total / len(values)")
    terminal.type("\x1b")
    terminal.wait_for("    return total / len(values)")
    terminal.wait_until(lambda: terminal.colour_of("= sum") != ghost, "accepted text")
    terminal.save(f"{version}-accepted")


def test_the_canvas_is_on_the_screen(open_terminal: Open, scripted: Scripted, version: str) -> None:
    text = "total = sum(values)\n    return total / len(values)"
    scripted.write({"text": text, "steps": 60, "delay": 0.05})
    terminal = open_terminal(FUNCTION)
    terminal.type("j:Infill body\r")
    terminal.wait_for("<Esc> stops", "infill: step", "total = sum(values)")
    terminal.save(f"{version}-canvas")
    terminal.wait_for("return total / len(values)", "infill: ready")
    terminal.save(f"{version}-filled")


CALL = "def g():\n    return f(%s, 2)\n"
EMPTY = "def f():\n    ...\n    ...\n\ny = 1\n"
CANVASES = [
    (CALL % "...", "holes", "one + two + three", "    return f(one + two + three, 2)"),
    (CALL % "TODO", "holes", "ab", "    return f(a   , 2)"),
    ("def f():\n    pass\n\ny = 1\n", "body", "return item", "    return item"),
    (EMPTY, "body", "a = 1\n    b = 2\n    return b", "    b = 2"),
    (EMPTY, "body", "return 1", "    return 1"),
]


@pytest.mark.parametrize(("text", "what", "fill", "line"), CANVASES)
def test_the_canvas_stands_in_the_hole(
    open_terminal: Open, scripted: Scripted, text: str, what: str, fill: str, line: str
) -> None:
    """Not behind what it will replace, and what stands after the hole moves on."""
    scripted.write({"text": fill, "steps": 40, "delay": 0.05})
    terminal = open_terminal(f"# first\n{text}")
    terminal.type(f"j:Infill {what}\r")
    terminal.wait_until(
        lambda: (
            "<Esc> stops" in terminal.text
            and any(f"{each[4:]}  ".startswith(f"{line}  ") for each in terminal.text.splitlines())
        ),
        line,
    )
    drawn = terminal.text.splitlines()[2:6]
    assert not any(hole in each for each in drawn for hole in ("...", "pass", "TODO"))
    assert drawn[0].count("step") == 1, "the progress stands behind the first line"
    terminal.wait_until(lambda: "<Esc> stops" not in terminal.text, "the end")


def test_health_is_on_the_screen(open_terminal: Open, scripted: Scripted, version: str) -> None:
    scripted.write({"text": ""})
    terminal = open_terminal("")
    terminal.type(":checkhealth infill\r")
    terminal.wait_for("infill: options")
    terminal.save(f"{version}-checkhealth")
