"""`infill-ls index`: brought up to date, shown and forgotten; `doctor` and `stats` know it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lsp_server.commands.doctor.finding import State
from lsp_server.commands.doctor.index import indexes
from lsp_server.index import database
from tests.cli.conftest import Infill
from tests.lsp_server.index.trees import git, write


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return write(tmp_path / "root", {"a.py": "import os\n", "b.go": "package b\n", ".env": "K=1\n"})


def test_an_index_is_built_shown_and_forgotten(infill: Infill, root: Path) -> None:
    assert "There is no index" in infill("index", "--status").out
    assert f"{root}: 2 files" in infill("index", str(root)).out
    (row,) = json.loads(infill("index", "--status", "--json").out)
    assert (row["root"], row["files"]) == (str(root), 2)
    assert Path(row["path"]) == database.path_of(root)
    told = json.loads(infill("stats", "--json").out)
    assert told["indexes"] == [row]
    assert f"index of {root}" in infill("stats").out
    assert "It is removed" in infill("index", str(root), "--forget").out
    assert "There was none" in infill("index", str(root), "--forget").out
    infill("index", str(root))
    assert "1 removed" in infill("index", "--forget-all").out


def test_what_cannot_be_indexed_is_said_with_the_fix(infill: Infill, root: Path) -> None:
    outcome = infill("index", str(root / "none"))
    assert outcome.code == 2
    assert "is no folder: name one" in outcome.err
    write(root, {".git/HEAD": "nonsense"})
    outcome = infill("index", str(root))
    assert outcome.code == 1
    assert "run `git ls-files` there" in outcome.err


def test_the_doctor_knows_indexes(
    infill: Infill, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found,) = indexes(root)
    assert found.state is State.OK
    assert "none yet" in found.message
    infill("index", str(root))
    (found,) = indexes(root)
    assert f"{root}: 2 files" in found.message
    database.path_of(root).write_bytes(b"no database" * 500)
    (found,) = indexes(root)
    assert (found.state, "--forget-all" in found.fix) == (State.WARNING, True)
    git(root)
    monkeypatch.setenv("PATH", "")
    _, found = indexes(root)
    assert (found.state, found.fix) == (State.WARNING, "install git")
