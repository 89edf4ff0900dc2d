"""The command run in this process, with an engine that answers from a script."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.api import EngineError, Fill, FillRequest, OnDraft, Priority
from engine.client import connect
from lsp_server import cli
from tests.scripted import ScriptedEngine


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    out: str
    err: str


class Here:
    """A `HostEngine` without a host. `requests` keeps what it was asked."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.info = engine.info
        self.requests: list[FillRequest] = []

    def submit(
        self,
        request: FillRequest,
        on_draft: OnDraft | None = None,
        priority: Priority = Priority.FOREGROUND,
    ) -> connect.Job:
        self.requests.append(request)
        future: Future[Fill] = Future()
        try:
            future.set_result(self.engine.fill(request, on_draft))
        except EngineError as error:
            future.set_exception(error)
        return connect.Job(future, lambda: None)

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *error: object) -> None:
        pass


@dataclass(slots=True)
class Infill:
    """`infill("fill", ...)` is one run of the command; `answer` says what its engine will do."""

    _read: Callable[[], Any]
    engine: Here

    def answer(self, *rules: dict[str, Any]) -> None:
        self.engine.engine = ScriptedEngine({"fills": list(rules)})

    def __call__(self, *arguments: str | Path) -> Outcome:
        with pytest.raises(SystemExit) as end:
            cli.main([str(each) for each in arguments])
        assert isinstance(end.value.code, int)
        printed = self._read()
        return Outcome(end.value.code, printed.out, printed.err)

    @property
    def request(self) -> FillRequest:
        return self.engine.requests[-1]


@pytest.fixture
def infill(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Infill:
    engine = Here(ScriptedEngine({}))
    monkeypatch.setattr(connect, "connect", lambda *arguments: engine)
    monkeypatch.setenv("COLUMNS", "100")
    root = logging.getLogger()  # a server's log is for as long as its process
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    return Infill(capsys.readouterr, engine)


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file and gives its path."""

    def write(content: str | bytes, name: str = "sums.py") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str, str], None]:
    """Puts a shell script under a name on a PATH that holds nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return put


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch, short_folder: Path) -> Path:
    """A runtime folder of this test's own."""
    folder = short_folder / "run"
    monkeypatch.setenv("INFILL_RUNTIME_DIR", str(folder))
    return folder
