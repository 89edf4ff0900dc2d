"""Which files are indexed: not what git ignores, not what may hold secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from lsp_server.index import listing
from lsp_server.index.listing import Unlisted, listed, those_listed
from tests.lsp_server.index.trees import git, write

FILES = {
    "a.py": "x = 1\n",
    "src/b.ts": "let x = 1\n",
    "src/c.generated.go": "package c\n",
    "build/d.py": "x = 1\n",
    "notes.md": "words\n",
    "picture.png": "x",
    ".env": "KEY=1\n",
    "secrets/e.py": "KEY = 1\n",
    "id_rsa": "x",
    "node_modules/f/index.js": "var x\n",
    ".gitignore": "/build\n*.generated.go\nnode_modules\n",
}


def test_a_repository_is_listed_as_git_says(tmp_path: Path) -> None:
    root = git(write(tmp_path, FILES))
    assert sorted(listed(root)) == ["a.py", "src/b.ts"]
    for path in FILES:
        assert those_listed(root, [path]) == [path] * (path in ("a.py", "src/b.ts")), path
    assert sorted(listed(root / "src")) == ["b.ts"]  # a folder of a repository


def test_without_a_repository_what_nobody_commits_is_left_out(tmp_path: Path) -> None:
    root = write(tmp_path, FILES)
    assert sorted(listed(root)) == ["a.py", "src/b.ts", "src/c.generated.go"]
    assert those_listed(root, ["build/d.py"]) == []


@pytest.mark.parametrize("outer", [True, False])
def test_a_repository_inside_is_listed_by_its_own_git(tmp_path: Path, outer: bool) -> None:
    root = write(tmp_path, {"a.py": "x = 1\n"})
    git(write(root / "inner", {"b.py": "x\n", "c.lua": "x\n", ".gitignore": "c.lua\n"}))
    if outer:
        git(root)
    assert sorted(listed(root)) == ["a.py", "inner/b.py"]
    asked = ["a.py", "inner/b.py", "inner/c.lua", "inner/[ab].py"]
    assert sorted(those_listed(root, asked)) == ["a.py", "inner/b.py"]


def test_without_git_a_repository_is_not_guessed_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = git(write(tmp_path, FILES))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(Unlisted, match="install git"):
        list(listed(root))


def test_a_command_that_a_repository_names_is_not_run(tmp_path: Path) -> None:
    root = git(write(tmp_path, FILES))
    monitor = write(tmp_path, {"monitor.sh": f"#!/bin/sh\ntouch {tmp_path}/was-run\n"})
    (monitor / "monitor.sh").chmod(0o755)
    with (root / ".git" / "config").open("a") as config:
        config.write(f"[core]\n\tfsmonitor = {tmp_path}/monitor.sh\n")
    assert "a.py" in list(listed(root))
    assert not (tmp_path / "was-run").exists()


def test_a_broken_repository_is_said_to_be_one(tmp_path: Path) -> None:
    root = write(tmp_path, {".git/HEAD": "nonsense", "a.py": "x = 1\n"})
    with pytest.raises(Unlisted, match="git cannot list"):
        list(listed(root))
    assert {"node_modules", ".venv"} <= listing.SKIPPED
