"""A terminal for Neovim: its screen as text, and as a picture in build/screenshots."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from string import hexdigits

import pyte
from rich.color import ColorParseError
from rich.console import Console
from rich.style import Style
from rich.text import Text

ROWS, COLUMNS = 24, 80
PATIENCE = 30
PICTURES = Path(__file__).parents[3] / "build" / "screenshots"


class Terminal:
    """Runs `command` until `close`. Everything waits by reading what it writes."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        rows: int = ROWS,
        columns: int = COLUMNS,
        patience: float = PATIENCE,
    ) -> None:
        self._patience = patience
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], list(command), {**os.environ, **environment})
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, size)

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display)

    def wait_for(self, *texts: str) -> None:
        self.wait_until(lambda: all(text in self.text for text in texts), " and ".join(texts))

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self._patience
        while not holds():
            assert time.monotonic() < deadline, f"{what} did not come:\n{self.text}"
            self._read()

    def colour_of(self, text: str) -> str:
        """Of the first character of `text` where it is on the screen."""
        for number, line in enumerate(self._screen.display):
            if text in line:
                return str(self._screen.buffer[number][line.index(text)].fg)
        raise AssertionError(f"{text!r} is not on the screen:\n{self.text}")

    def save(self, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        (PICTURES / f"{name}.txt").write_text(self.text + "\n")
        console = Console(record=True, width=self._screen.columns, file=Path(os.devnull).open("w"))  # noqa: SIM115
        console.print(self._painted(), soft_wrap=True, end="")
        console.save_svg(str(PICTURES / f"{name}.svg"), title=name)

    def close(self) -> None:
        with suppress(OSError):
            self.type("\x1b\x1b:qall!\r")
        deadline = time.monotonic() + self._patience
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            assert time.monotonic() < deadline, f"it does not end:\n{self.text}"
            self._read()
        os.close(self._descriptor)

    def _read(self) -> None:
        if select.select([self._descriptor], [], [], 0.05)[0]:
            with suppress(OSError):  # it has ended
                self._stream.feed(os.read(self._descriptor, 1 << 16))

    def _painted(self) -> Text:
        painted = Text()
        for row in range(self._screen.lines):
            for column in range(self._screen.columns):
                cell = self._screen.buffer[row][column]
                painted.append(cell.data, _style(cell))
            painted.append("\n")
        return painted


def _style(cell: pyte.screens.Char) -> Style:
    def colour(name: str) -> str | None:
        if name == "default":
            return None
        is_true_colour = len(name) == 6 and all(each in hexdigits for each in name)
        return f"#{name}" if is_true_colour else name.replace("brown", "yellow")

    with suppress(ColorParseError):
        return Style(
            color=colour(cell.fg), bgcolor=colour(cell.bg), bold=cell.bold, reverse=cell.reverse
        )
    return Style()
