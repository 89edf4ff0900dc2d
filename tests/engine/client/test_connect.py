"""Where hosts are met: the folder, the names, who is let in, and the way without unix sockets."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from engine.api import EngineError
from engine.client import address as meeting
from engine.client import channel, wire
from engine.client.address import Loaded, runtime_folder
from engine.client.channel import NoHost, dial
from engine.client.connect import connect
from engine.client.greeting import say_hello
from engine.client.habits import Habits
from tests.hosting import HERE, Scripted

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="has no modes and owners of this kind")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"INFILL_RUNTIME_DIR": "{tmp}/mine"}, "{tmp}/mine"),
        ({"INFILL_RUNTIME_DIR": "", "XDG_RUNTIME_DIR": "{tmp}"}, "{tmp}/infill-ls"),
        ({"INFILL_RUNTIME_DIR": "", "XDG_RUNTIME_DIR": "{tmp}/none"}, "/tmp/infill-ls-{uid}"),
        ({"INFILL_RUNTIME_DIR": "", "XDG_RUNTIME_DIR": ""}, "/tmp/infill-ls-{uid}"),
    ],
    ids=str,
)
@POSIX
def test_the_folder_is_chosen(
    environment: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(tmp=tmp_path))
    expected = expected.format(tmp=tmp_path, uid=os.geteuid())
    assert str(meeting._chosen_folder()) == expected


@POSIX
def test_the_folder_is_made_for_its_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFILL_RUNTIME_DIR", str(tmp_path / "deep" / "inside"))
    folder = runtime_folder()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def open_to_all(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)


def of_somebody_else(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, -1)


def a_link(folder: Path) -> None:
    (folder.parent / "real").mkdir(mode=0o700)
    folder.symlink_to(folder.parent / "real")


def a_file(folder: Path) -> None:
    folder.write_text("")


def too_long(folder: Path) -> None:
    os.environ["INFILL_RUNTIME_DIR"] = str(folder / ("long" * 30))


UNSAFE = [
    (open_to_all, "chmod 700"),
    (of_somebody_else, "another user"),
    (a_link, "is no folder"),
    (a_file, "cannot be made"),
    (too_long, "too long"),
]


@pytest.mark.parametrize(("make", "words"), UNSAFE, ids=lambda each: getattr(each, "__name__", ""))
@POSIX
def test_an_unsafe_folder_is_refused_and_explained(
    make: Any, words: str, scripted: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if make is of_somebody_else and os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    folder = tmp_path / "run"
    engine = scripted.connect({"text": "ok"})
    with monkeypatch.context() as patch:
        patch.setenv("INFILL_RUNTIME_DIR", str(folder))
        make(folder)
        with pytest.raises(EngineError, match=words):
            engine.fill(HERE)
        assert scripted.events() == []
    assert engine.fill(HERE).texts == ("ok",)


def test_what_differs_has_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [
        Loaded(*each).name() for each in [(), ("a",), ("x/a",), ("a", "cpu"), ("a", None, "f")]
    ]
    for target, value in [("__version__", "9"), ("code_fingerprint", lambda: "other")]:
        with monkeypatch.context() as patch:
            patch.setattr(meeting, target, value)
            names.append(Loaded().name())
    with monkeypatch.context() as patch:
        patch.setattr(wire, "PROTOCOL", 99)
        names.append(Loaded().name())
        patch.setenv("CUDA_VISIBLE_DEVICES", "7")
        names.append(Loaded().name())
    assert len(set(names)) == len(names)
    assert Loaded().name() == names[0]


@pytest.mark.parametrize(
    "model", ["embedded", "../../etc", "a b/ü", "https://x:8000/v1", "m" * 300, "/", "C:\\m\\"]
)
def test_a_name_is_short_and_no_path(model: str) -> None:
    name = Loaded(model).name()
    assert name == Path(name).name
    assert len(name) <= 33
    assert name.isascii()
    assert not name.startswith((".", "-"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("embedded", "embedded"),
        ("a-name", "a-name"),
        ("http://localhost:8000/v1", "http://localhost:8000/v1"),
        ("some/folder", "{here}/some/folder"),
        ("here", "{here}/here"),
        (".", "{here}"),
    ],
)
def test_a_folder_is_the_callers(
    given: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "embedded").mkdir()
    assert connect(given).loaded.model == expected.format(here=tmp_path)


WANTED = Habits(60.0, 120.0)


@pytest.mark.parametrize(
    ("environment", "wanted", "expected"),
    [
        ({}, WANTED, WANTED),
        ({"LINGER": "7", "UNLOAD_AFTER": "8.5"}, WANTED, Habits(7.0, 8.5)),
        ({"LINGER": "never", "UNLOAD_AFTER": "never"}, WANTED, Habits(float("inf"), None)),
        ({"LINGER": "soon", "CANCEL_PATIENCE": "-1"}, WANTED, WANTED),
        ({"CANCEL_PATIENCE": "0.5"}, Habits(), Habits(cancel_patience=0.5)),
    ],
    ids=str,
)
def test_the_environment_has_the_last_word_on_habits(
    environment: dict[str, str], wanted: Habits, expected: Habits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INFILL_LINGER")
    for name, value in environment.items():
        monkeypatch.setenv(f"INFILL_{name}", value)
    assert wanted.in_environment() == expected
    assert connect(habits=wanted)._habits == expected


@pytest.mark.parametrize(
    "told",
    [
        None,
        3,
        {},
        {"linger": 1},
        {**asdict(WANTED), "linger": -1},
        {**asdict(WANTED), "linger": "x"},
    ],
    ids=str,
)
def test_habits_that_are_none(told: Any) -> None:
    assert Habits.from_json(asdict(WANTED)) == WANTED
    assert Habits.from_json(asdict(Habits(unload_after=None))) == Habits(unload_after=None)
    with pytest.raises(ValueError):
        Habits.from_json(told)


@POSIX
def test_files_are_for_the_user_alone(scripted: Scripted) -> None:
    scripted.connect({"text": "ok"}).fill(HERE)
    for path in (scripted.address.socket, scripted.address.lock):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@POSIX
def test_another_users_process_is_turned_away(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ends look: here the client's, which takes itself for somebody else."""
    scripted.connect({"text": "ok"}).fill(HERE)
    mine = os.geteuid()
    monkeypatch.setattr(channel.os, "geteuid", lambda: mine + 1)
    with pytest.raises(EngineError, match="another user"):
        dial(scripted.address, 5)


def test_without_unix_sockets(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFILL_TRANSPORT", "tcp")
    first, second = scripted.connect({"text": "ok"}), scripted.window()
    assert first.fill(HERE).texts == second.fill(HERE).texts == ("ok",)
    assert first.pid == second.pid
    port = scripted.address.port
    assert not scripted.address.socket.exists()
    if sys.platform != "win32":
        assert stat.S_IMODE(port.stat().st_mode) == 0o600
    told = port.read_text()
    secret = wire.decode_line(told.encode())["secret"]
    port.write_text(told.replace(secret, "00" * 32))
    with pytest.raises(ValueError, match="secret"):
        dial(scripted.address, 5)
    port.write_text(told)
    assert second.fill(HERE).texts == ("ok",)


def test_on_a_loopback_port_nobody_is_heard_without_the_secret(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFILL_TRANSPORT", "tcp")
    scripted.connect({"text": "ok"}).fill(HERE)
    monkeypatch.setattr(channel, "prove", lambda *_: "guessed")
    monkeypatch.setattr(channel, "is_proof", lambda *_: True)
    guessing = dial(scripted.address, 5)
    with pytest.raises((NoHost, OSError)):
        say_hello(guessing, "visitor")
    guessing.close()
