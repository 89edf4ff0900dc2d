"""Every mistake: its exit code, and one line on stderr that names the cause and the fix."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Infill

SOURCE = "def add(a, b):\n    return \n"
AT = "fill sums.py --at"
RULE = dict[str, Any]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, source: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    source(SOURCE)
    source(b"x = '\xe9'\n", "latin.py")
    source(b"\xff\xfex\x00", "utf16.py")
    source("x = 1\n", "read_only.py").chmod(0o444)
    (tmp_path / "package").mkdir()
    (tmp_path / "loop.py").symlink_to("loop.py")
    (tmp_path / "dangling.py").symlink_to("nothing.py")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("command", "code", "cause", "fix"),
    [
        (f"{AT} 3", 2, "--at 3 is no position", "LINE:COL"),
        (f"{AT} 3:x", 2, "--at 3:x is no position", "LINE:COL"),
        (f"{AT} 0:1", 2, "--at 0:1 is no position", "both from 1"),
        (f"{AT} 1:0", 2, "--at 1:0 is no position", "both from 1"),
        (f"{AT}=-1:1", 2, "--at -1:1 is no position", "both from 1"),
        (f"{AT} 1:99999999999", 2, "is no position", "LINE:COL"),
        (f"{AT} ²:1", 2, "--at ²:1 is no position", "LINE:COL"),
        (f"{AT} 1:1:1", 2, "is no position", "LINE:COL"),
        (f"{AT} 4:1", 2, "--at 4:1 is outside sums.py", "a line from 1 to 3"),
        (f"{AT} 2:13", 2, "--at 2:13 is outside sums.py", "line 2 has columns 1 to 12"),
        (f"{AT} 3:2", 2, "--at 3:2 is outside sums.py", "line 3 has columns 1 to 1"),
        (f"{AT} 2:12 --to 9:1", 2, "--to 9:1 is outside sums.py", "a line from 1 to 3"),
        (f"{AT} 2:12 --to 2:11", 2, "--to 2:11 comes before --at 2:12", "exchange the two"),
        (f"{AT} 2:12 --to nowhere", 2, "--to nowhere is no position", "LINE:COL"),
        (f"{AT} 2:12 --steps 0", 2, "--steps", "see `infill-ls fill --help`"),
        (f"{AT} 2:12 --max-tokens 0", 2, "--max-tokens", "see `infill-ls fill --help`"),
        (f"{AT} 2:12 --seed one", 2, "--seed", "see `infill-ls fill --help`"),
        (f"{AT} 2:12 --steep", 2, "--steep", "see `infill-ls fill --help`"),
        ("fill sums.py", 2, "--at", "see `infill-ls fill --help`"),
        ("fill", 2, "PATH", "see `infill-ls fill --help`"),
        ("fil sums.py", 2, "fil", "see `infill-ls --help`"),
        ("--model small fill sums.py --at 1:1", 2, "options of fill", "come after it"),
        ("fill nothing.py --at 1:1", 2, "nothing.py does not exist", "check the path"),
        ("fill dangling.py --at 1:1", 2, "dangling.py does not exist", "check the path"),
        ("fill loop.py --at 1:1", 2, "loop.py cannot be read", "name a file you may read"),
        ("fill package --at 1:1", 2, "package is a folder", "name a source file"),
        ("fill /dev/null --at 1:1", 2, "/dev/null is no regular file", "name a source file"),
        ("fill sums.py/x --at 1:1", 2, "sums.py/x", ":"),
        ("fill latin.py --at 1:1", 2, "latin.py is not UTF-8 (line 1)", "convert it"),
        ("fill utf16.py --at 1:1", 2, "utf16.py is not UTF-8 (line 1)", "convert it"),
        ("fill read_only.py --at 1:1 --write", 2, "read_only.py is read-only", "--write"),
        ("--tcp here", 2, "--tcp here is no address", "HOST:PORT"),
        ("--ws 99999", 2, "--ws 99999 is no address", "HOST:PORT"),
        ("--tcp 1 --ws 2", 2, "--tcp and --ws", "one of them"),
        ("--log-level loud", 2, "--log-level loud is unknown", "debug"),
        ("--log-file package", 2, "--log-file package cannot be written", "directory"),
        ("--colour", 2, "--colour", "see `infill-ls --help`"),
        ("--model", 2, "--model", "see `infill-ls --help`"),
    ],
)
def test_a_mistake_in_the_command_line(
    infill: Infill, command: str, code: int, cause: str, fix: str
) -> None:
    outcome = infill(*command.split())
    check(outcome, code, cause, fix)
    assert infill.engine.requests == []


@pytest.mark.parametrize(
    ("error", "code", "cause", "fix"),
    [
        (("model_missing", "no model called small: use embedded"), 2, "small", "use embedded"),
        (("bad_request", "the gap is too long: shorten it"), 2, "too long", "shorten it"),
        (("out_of_memory", "not enough memory: use cpu"), 1, "memory", "use cpu"),
        (("engine_error", "loading failed"), 1, "loading failed", ""),
        (("engine_error", ""), 1, "gave no reason", ""),
        (
            ("host_lost", "the engine process ended\nits last words:\nTraceback\n  Boom: x\n"),
            1,
            "the engine process ended",
            "(Boom: x)",
        ),
        (("engine_error", "\x1b[2Jgone"), 1, "␛[2Jgone", ""),
    ],
)
def test_a_failure_of_the_engine(
    infill: Infill, error: tuple[str, str], code: int, cause: str, fix: str
) -> None:
    infill.answer({"error": {"kind": error[0], "message": error[1]}})
    before = Path("sums.py").read_bytes()
    check(infill(*f"{AT} 2:12 --write --json".split()), code, cause, fix)
    assert Path("sums.py").read_bytes() == before


@pytest.mark.skipif(os.name == "nt", reason="such names do not exist there")
def test_a_name_cannot_speak_to_the_terminal(infill: Infill) -> None:
    outcome = infill("fill", "a\x1b[2J\nb.py", "--at", "1:1")
    check(outcome, 2, "a␛[2J b.py does not exist", "check the path")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read and write all")
def test_permissions(infill: Infill) -> None:
    Path("sums.py").chmod(0)
    check(infill("fill", "sums.py", "--at", "1:1"), 2, "cannot be read", "may read")
    Path("sums.py").chmod(0o644)
    Path().chmod(0o555)
    outcome = infill("fill", "sums.py", "--at", "1:1", "--write")
    Path().chmod(0o755)
    check(outcome, 2, "is read-only", "leave out --write")


def test_a_folder_that_cannot_be_written(infill: Infill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: not Path(path).is_dir())
    outcome = infill("fill", "sums.py", "--at", "1:1", "--write")
    check(outcome, 2, "so sums.py cannot be replaced", "leave out --write")


def check(outcome: Any, code: int, cause: str, fix: str) -> None:
    assert outcome.out == ""
    assert outcome.err.startswith("infill-ls: ")
    assert outcome.err.count("\n") == 1
    assert outcome.err.endswith("\n")
    assert cause in outcome.err
    assert fix in outcome.err
    assert outcome.code == code
