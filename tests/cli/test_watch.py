"""The real command in a process of its own, in a terminal and not, with a real engine process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

pty = pytest.importorskip("pty")

ROOT = Path(__file__).parents[2]
SOURCE = "def add(a, b):\n    return \n"


def script(folder: Path, **rule: Any) -> list[str]:
    """The command line that fills SOURCE as `rule` says."""
    (folder / "sums.py").write_text(SOURCE)
    file = folder / "script.json"
    file.write_text(json.dumps({"fills": [rule], "journal": str(folder / "journal")}))
    command = [sys.executable, "-m", "lsp_server", "fill", str(folder / "sums.py"), "--at", "2:12"]
    return [*command, "--factory", "tests.scripted:load", "--model", str(file)]


def journal(folder: Path) -> list[dict[str, Any]]:
    path = folder / "journal"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_drafts_a_line_each_where_there_is_no_terminal(tmp_path: Path) -> None:
    command = [*script(tmp_path, text="a + b", steps=3), "--watch"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.stderr == ""
    assert run.returncode == 0
    assert run.stdout.splitlines()[:5] == [
        "step  1 of 3: a",
        "step  2 of 3: a +",
        "step  3 of 3: a + b",
        "1 │ def add(a, b):",
        "2 ▌     return a + b",
    ]
    assert "\x1b" not in run.stdout


def test_the_canvas_resolves_in_a_terminal(tmp_path: Path) -> None:
    command = [*script(tmp_path, text="a + b", steps=5, delay=0.05), "--watch"]
    with in_terminal(command, TERM="xterm-256color", COLORTERM="truecolor") as (process, terminal):
        shown = read_all(terminal)
        assert process.wait(30) == 0
    assert "step 1 of 5" in shown
    assert "step 5 of 5" in shown
    assert "38;2;" in shown  # confidence as true colour
    assert "\x1b[?25l" in shown  # the cursor hides while the view is redrawn
    last_hidden, last_shown = shown.rfind("\x1b[?25l"), shown.rfind("\x1b[?25h")
    assert last_shown > last_hidden
    assert "confidence 1.00 · 5 steps" in shown[last_shown:]


def test_a_dumb_terminal_gets_lines(tmp_path: Path) -> None:
    command = [*script(tmp_path, text="a + b", steps=2), "--watch"]
    with in_terminal(command, TERM="dumb") as (process, terminal):
        shown = read_all(terminal)
        assert process.wait(30) == 0
    assert "step  2 of 2: a + b" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("watch", [["--watch"], []])
def test_ctrl_c_stops_the_engine_and_leaves_no_process(tmp_path: Path, watch: list[str]) -> None:
    command = [*script(tmp_path, text="a + b", steps=1000, delay=0.05), *watch, "--write"]
    with in_terminal(command, TERM="xterm") as (process, terminal):
        wait_for(lambda: any(each["event"] == "step" for each in journal(tmp_path)))
        os.write(terminal, b"\x03")
        shown = read_all(terminal)
        assert process.wait(30) == 130
    assert "Traceback" not in shown
    assert (tmp_path / "sums.py").read_text() == SOURCE
    host = journal(tmp_path)[0]["pid"]
    wait_for(lambda: not is_alive(host))


def test_a_killed_command_leaves_no_process(tmp_path: Path) -> None:
    command = script(tmp_path, text="a + b", hang=True)
    with in_terminal(command) as (process, _):
        wait_for(lambda: any(each["event"] == "begin" for each in journal(tmp_path)))
        process.kill()
    host = journal(tmp_path)[0]["pid"]
    wait_for(lambda: not is_alive(host))


def test_an_engine_that_dies_is_one_line(tmp_path: Path) -> None:
    command = script(tmp_path, text="a", exit=3)
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert "exit status 3" in run.stderr


@pytest.mark.parametrize("model", ["no-such-model", "no/such/folder", "."])
def test_an_unknown_model_is_one_line(tmp_path: Path, model: str) -> None:
    (tmp_path / "sums.py").write_text(SOURCE)
    command = [sys.executable, "-m", "lsp_server", "fill", "sums.py", "--at", "2:12"]
    run = subprocess.run(
        [*command, "--model", model], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    assert model in run.stderr
    assert "config.json" in run.stderr


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    command = [*script(tmp_path, text="a + b", steps=50, delay=0.02), "--watch"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 1
    assert process.stderr.read() == ""


@contextmanager
def in_terminal(
    command: list[str], **environment: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`command` with a terminal of its own, and our end of it."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: take_terminal(theirs),
        env={**os.environ, "COLUMNS": "100", "LINES": "40", **environment},
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)


def take_terminal(file: int) -> None:
    """Ctrl-c typed into the terminal then reaches this process and its children."""
    import fcntl
    import termios

    fcntl.ioctl(file, termios.TIOCSCTTY, 0)


def read_all(terminal: int) -> str:
    shown = b""
    with suppress(OSError):  # EIO: nobody has the other end open any more
        while chunk := os.read(terminal, 65536):
            shown += chunk
    return shown.decode()


def wait_for(condition: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
