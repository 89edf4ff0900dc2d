"""An index that was brought up to date is the one that is built anew, whatever happened between."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lsp_server import child
from lsp_server.index import database, update
from lsp_server.index.__main__ import reason_of
from lsp_server.index.kept import look
from tests.lsp_server.index.trees import build, held, write

LINES = ["def f(a):", "    return a", "class C:", "    x = 1", "}", "", "# word", "y = f(2)"]


def same(one: Path, root: Path, other: Path) -> None:
    assert held(one) == held(build(root, other))


@pytest.mark.parametrize("seed", range(4))
def test_any_changes_lead_to_the_index_that_is_built_anew(tmp_path: Path, seed: int) -> None:
    rng, root, path = random.Random(seed), tmp_path / "root", tmp_path / "i.sqlite"
    root.mkdir()
    for step in range(6):
        for _ in range(rng.randint(1, 6)):
            file = root / f"{rng.choice('abcdef')}.{rng.choice(['py', 'lua'])}"
            if rng.random() < 0.3:
                file.unlink(missing_ok=True)
            else:
                file.write_text("\n".join(rng.choices(LINES, k=rng.randint(0, 20))) + f"\n#{step}")
        build(root, path)
    same(path, root, tmp_path / "anew.sqlite")


def test_only_what_changed_is_read(tmp_path: Path) -> None:
    root = write(tmp_path / "root", {f"{n}.py": f"x = {n}\n" for n in range(9)})
    connection = database.open_to_write(tmp_path / "i.sqlite")
    assert update.update(connection, root).read == 9
    write(root, {"3.py": "y = 33\n", "9.py": "z = 9\n"})
    (root / "4.py").unlink()
    done = update.update(connection, root)
    assert (done.files, done.read, done.gone) == (9, 2, 1)
    write(root, {"5.py": "new = 5\n", "secrets.json": "{}"})
    update.update_files(connection, root, ["5.py", "6.py", "secrets.json"])
    connection.close()
    same(tmp_path / "i.sqlite", root, tmp_path / "anew.sqlite")


def test_what_is_no_text_or_too_large_has_no_lines(tmp_path: Path) -> None:
    root = write(
        tmp_path / "root",
        {
            "bytes.py": b"\xff\xfe\x00",
            "null.py": b"a = 1\n\0",
            "long.py": "x = 1234567\n" * 60_000,
            "wide.py": "x" * 100_000,
            "empty.py": "",
        },
    )
    found = held(build(root, tmp_path / "i.sqlite"))
    assert found["texts"] == []
    assert [path for path, *_ in found["files"]] == ["bytes.py", "empty.py", "null.py", "wide.py"]


@pytest.mark.parametrize("after", [0.0, 0.15, 0.4])
def test_it_survives_being_killed(tmp_path: Path, after: float, monkeypatch: Any) -> None:
    monkeypatch.setattr(update, "BATCH", 10)
    root = write(
        tmp_path / "root", {f"{n}.py": f"def f{n}():\n    return {n}\n" * 40 for n in range(600)}
    )
    path = tmp_path / "i.sqlite"
    program = (
        "import sys; from pathlib import Path; from tests.lsp_server.index.trees import build;"
        "from lsp_server.index import update; update.BATCH = 10; print(1, flush=True);"
        "build(*map(Path, sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, str(root), str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=child.environment())
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    build(root, path)
    same(path, root, tmp_path / "anew.sqlite")


def test_it_survives_a_full_disk(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(update, "BATCH", 5)
    root = write(tmp_path / "root", {f"{n}.py": f"name_{n} = {n} + {n}\n" * 200 for n in range(40)})
    more = {f"m{n}.py": "".join(f"v{n}_{i} = {i}\n" for i in range(2000)) for n in range(40)}
    path = build(root, tmp_path / "i.sqlite")
    write(root, more)
    connection = database.open_to_write(path)
    pages = connection.execute("pragma page_count").fetchone()[0]
    connection.execute(f"pragma max_page_count = {pages + 40}")
    with pytest.raises(sqlite3.Error) as full:
        update.update(connection, root)
    assert "does not fit on the disk: make room" in reason_of(full.value, root)
    assert look(path).files == 40  # what was there still answers
    connection.close()
    build(root, path)  # room was made
    same(path, root, tmp_path / "anew.sqlite")


@pytest.mark.parametrize("content", [b"", b"no database at all" * 999, None])
def test_what_is_no_index_is_built_anew(tmp_path: Path, content: bytes | None) -> None:
    root, path = write(tmp_path / "root", {"a.py": "x = 1234\n"}), tmp_path / "i.sqlite"
    if content is not None:
        path.write_bytes(content)
    else:  # of another version
        other = sqlite3.connect(path)
        other.execute("pragma user_version = 999")
        other.close()
    same(build(root, path), root, tmp_path / "anew.sqlite")
    assert path.stat().st_mode & 0o077 == 0
