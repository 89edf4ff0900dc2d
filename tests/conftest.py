"""Engines of the tests meet in a folder of their own, and end with the last window."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosting import Scripted

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Run in the background of a shell: processes that the tests interrupt would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def runtime_folder() -> Iterator[Path]:
    """Short, since a socket's path has to be; set before any process is started."""
    folder = new_folder()
    before = {name: os.environ.get(name) for name in ("INFILL_RUNTIME_DIR", "INFILL_LINGER")}
    os.environ["INFILL_RUNTIME_DIR"] = str(folder)
    os.environ["INFILL_LINGER"] = "0"
    yield folder
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the tests do is not counted among what the user does."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        patch.setenv("LOCALAPPDATA", str(folder))
        yield folder


def new_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="infill-", dir="/tmp" if os.name == "posix" else None))


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """For a test whose engines are not to meet those of others."""
    folder = new_folder()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["unix sockets", "tcp"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way in which clients and hosts meet; to be asked for before `scripted`."""
    monkeypatch.setenv("INFILL_TRANSPORT", request.param)
    return str(request.param)


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Scripted]:
    scripted = Scripted(tmp_path)
    yield scripted
    scripted.end()
