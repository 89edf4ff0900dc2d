"""Who holds a lock, and what is no lock at all."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from engine.client.lock import FileLock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.lock"


def test_one_holds_it_until_it_is_released(path: Path) -> None:
    first, second = FileLock(path), FileLock(path)
    assert first.take()
    assert first.take()
    assert not second.take()
    first.release()
    assert second.take()


def test_it_does_not_outlive_its_process(path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from engine.client.lock import FileLock\n"
        "print(FileLock(Path(sys.argv[1])).take(), flush=True); sys.stdin.read(); os._exit(9)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline().split() == [b"True"]
    assert not FileLock(path).take()
    holder.communicate()
    assert FileLock(path).take()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file stays there")
def test_a_removed_file_is_nobodys_lock(path: Path) -> None:
    first, second = FileLock(path), FileLock(path)
    assert first.take()
    first.remove()
    assert not path.exists()
    assert second.take()
    assert not FileLock(path).take()


@pytest.mark.parametrize(
    ("number", "is_held"),
    [
        (errno.EAGAIN, True),
        (errno.EACCES, True),
        (errno.ENOLCK, False),
        (errno.ENOSYS, False),
        (errno.EOPNOTSUPP, False),
    ],
)
def test_a_disk_without_locks_is_not_a_held_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int, is_held: bool
) -> None:
    def refuse(file: int) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr("engine.client.lock._lock", refuse)
    if is_held:
        assert not FileLock(path).take()
        return
    with pytest.raises(OSError, match="refused"):
        FileLock(path).take()
