"""`infill-ls engine status | stop | log` about real hosts."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.client.habits import Habits
from lsp_server import cli
from lsp_server.commands import engine as command
from tests.hosting import HERE, Scripted, is_running, wait_until


@pytest.fixture
def alone(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INFILL_RUNTIME_DIR", str(short_folder))
    return short_folder


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(alone: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("status")`, in this process."""

    def run(*arguments: str) -> Done:
        with pytest.raises(SystemExit) as end:
            cli.main(["engine", *arguments])
        printed = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Done(end.value.code, printed.out, printed.err)

    return run


def test_without_an_engine(run: Run) -> None:
    for arguments, said in [
        (["status"], "no engine runs\n"),
        (["status", "--json"], "[]\n"),
        (["stop"], "no engine runs\n"),
        (["log"], "no engine has a log\n"),
    ]:
        done = run(*arguments)
        assert (done.code, done.out, done.err) == (0, said, "")


def test_with_an_engine(run: Run, alone: Path, scripted: Scripted) -> None:
    scripted.write({"text": "ok"})
    with scripted.window(Habits(linger=600.0)) as engine:
        engine.fill(HERE)
        pid = engine.pid
        assert pid is not None
        said = run("status").out
        for words in (str(scripted.script), "loaded", "1 filled", "1 window;", f"process {pid}"):
            assert words in said
    (told,) = json.loads(run("status", "--json").out)
    assert (told["pid"], told["windows"], told["device"]) == (pid, 0, None)
    assert f"host {pid} serves" in run("log").out
    assert len(run("log", "-n", "1").out.splitlines()) == 2
    stopped = run("stop")
    assert (stopped.code, stopped.out) == (0, f"stopped {scripted.script}\n")
    assert not is_running(pid)
    assert [path.suffix for path in alone.iterdir()] == [".log"]
    assert run("status").out == "no engine runs\n"


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGSTOP")
@pytest.mark.usefixtures("transport")
def test_an_engine_that_hangs_can_be_stopped(
    run: Run, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "ANSWER_PATIENCE", 0.5)
    monkeypatch.setattr(command, "STOP_PATIENCE", 1.0)
    scripted.write({"text": "ok"})
    engine = scripted.window(Habits(linger=600.0))
    engine.fill(HERE)
    pid = engine.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    assert "does not answer" in run("status").out
    assert run("stop").code == 0
    wait_until(lambda: not is_running(pid), "its end")


def test_a_folder_of_others_is_one_line(run: Run, alone: Path) -> None:
    alone.chmod(0o755)
    done = run("status")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert "chmod 700" in done.err
