"""`--write` changes the gap and nothing else, or nothing at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from lsp_server.commands import source as source_module
from tests.cli.conftest import Infill

BOM = b"\xef\xbb\xbf"
FILL = {"text": "1\n2"}


@pytest.mark.parametrize(
    ("before", "at", "to", "after"),
    [
        pytest.param(b"x = \n", "1:5", "1:5", b"x = 1\n", id="LF"),
        pytest.param(b"x = \n", "1:5", "2:1", b"x = 1\n2", id="over lines"),
        pytest.param(b"a\r\nx\r\ny\r\n", "2:1", "3:2", b"a\r\n1\r\n2\r\n", id="CRLF"),
        pytest.param(b"a\rx\ry\r", "2:1", "3:2", b"a\r1\r2\r", id="CR"),
        pytest.param(b"a\r\nb\nx\n\ny", "3:1", "4:1", b"a\r\nb\n1\r\n2\ny", id="mixed ends"),
        pytest.param(BOM + b"x\ny", "1:1", "2:2", BOM + b"1\n2", id="BOM, no last newline"),
        pytest.param("😀 = é\n".encode(), "1:5", "1:6", "😀 = 1\n".encode(), id="emoji before"),
        pytest.param(b"a\x00b\x0c\n", "1:4", None, b"a\x00b1\x0c\n", id="odd bytes"),
        pytest.param(b"", "1:1", None, b"1", id="an empty file"),
    ],
)
def test_only_the_gap_changes(
    infill: Infill,
    source: Callable[..., Path],
    before: bytes,
    at: str,
    to: str | None,
    after: bytes,
) -> None:
    path = source(before)
    path.chmod(0o640)
    infill.answer(FILL)
    outcome = infill("fill", path, "--at", at, *(["--to", to] if to else []), "--write")
    assert outcome.code == 0
    assert outcome.out.endswith(f"written to {path}\n")
    assert path.read_bytes() == after
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert_alone(path)


def test_without_write_nothing_changes(infill: Infill, source: Callable[..., Path]) -> None:
    path = source("x = \n")
    was = path.stat()
    infill.answer(FILL)
    infill("fill", path, "--at", "1:5")
    assert path.read_bytes() == b"x = \n"
    assert path.stat().st_mtime_ns == was.st_mtime_ns
    assert_alone(path)


def test_a_link_stays_a_link(infill: Infill, source: Callable[..., Path], tmp_path: Path) -> None:
    path = source("x = \n")
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.py"
    link.symlink_to("../sums.py")
    infill.answer(FILL)
    assert infill("fill", link, "--at", "1:5", "--write").code == 0
    assert link.is_symlink()
    assert path.read_bytes() == b"x = 1\n"


def test_a_file_that_changed_meanwhile_is_left_alone(
    infill: Infill, source: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = source("x = \n")
    submit = infill.engine.submit

    def type_meanwhile(*arguments: object, **how: object) -> object:
        path.write_bytes(b"y = \n")
        return submit(*arguments, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(infill.engine, "submit", type_meanwhile)
    infill.answer(FILL)
    outcome = infill("fill", path, "--at", "1:5", "--write")
    assert outcome.code == 1
    assert outcome.err == (
        f"infill-ls: {path} has changed since it was read, and is left alone: run this again\n"
    )
    assert path.read_bytes() == b"y = \n"
    assert_alone(path)


@pytest.mark.parametrize(
    ("call", "number"),
    [("fsync", errno.ENOSPC), ("replace", errno.EACCES), ("open", errno.ENOSPC)],
)
def test_a_write_that_fails_leaves_the_file_as_it_was(
    infill: Infill,
    source: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
) -> None:
    path = source("x = \n")
    real = getattr(os, call)

    def fail(*arguments: object, **options: object) -> object:
        if call == "open" and ".infill" not in str(arguments[0]):
            return real(*arguments, **options)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    infill.answer(FILL)
    outcome = infill("fill", path, "--at", "1:5", "--write")
    monkeypatch.undo()
    assert outcome.code == 1
    assert outcome.err == (
        f"infill-ls: {path} was not written and is as it was: {os.strerror(number)}:"
        " fix that and run this again\n"
    )
    assert path.read_bytes() == b"x = \n"
    assert_alone(path)


def test_a_full_disk(infill: Infill, source: Callable[..., Path]) -> None:
    resource = pytest.importorskip("resource")
    path = source("x = " + "#" * 4096)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    infill.answer(FILL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        outcome = infill("fill", path, "--at", "1:5", "--write")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert outcome.code == 1
    assert "was not written and is as it was" in outcome.err
    assert path.stat().st_size == 4100
    assert_alone(path)


def test_ctrl_c_while_writing_leaves_nothing_behind(
    infill: Infill, source: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    path = source("x = \n")
    monkeypatch.setattr(source_module, "_copy_ownership", interrupt)
    assert infill("fill", path, "--at", "1:5", "--write").code == 130
    assert path.read_bytes() == b"x = \n"
    assert_alone(path)


def assert_alone(path: Path) -> None:
    assert [each.name for each in path.parent.iterdir() if ".infill" in each.name] == []
