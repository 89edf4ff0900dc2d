"""`infill-ls doctor` on the socket and the engine behind it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.client.address import Address, runtime_folder
from lsp_server.commands.doctor import (
    host,
)
from tests.cli.test_doctor import OK, WRONG, check, posix
from tests.hosting import HERE, Scripted


def test_the_socket(meeting: Path) -> None:
    check(host.socket_folder("embedded", None), OK, str(meeting))
    assert list(meeting.iterdir()) == []


@posix
def test_a_socket_that_others_could_reach(meeting: Path) -> None:
    meeting.mkdir(mode=0o755)
    meeting.chmod(0o755)
    check(host.socket_folder("embedded", None), WRONG, "other users", f"chmod 700 {meeting}")
    assert list(host.hosts()) == []


def test_a_folder_that_is_none(meeting: Path) -> None:
    meeting.write_text("")
    check(host.socket_folder("embedded", None), WRONG, str(meeting))


def test_a_path_too_long_for_a_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INFILL_RUNTIME_DIR", str(tmp_path / ("x" * 90)))
    check(host.socket_folder("embedded", None), WRONG, "too long", "INFILL_RUNTIME_DIR")


@posix
def test_a_folder_that_holds_no_sockets(meeting: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on some network file systems."""

    def refuse(_: Path) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(host, "_bind", refuse)
    check(host.socket_folder("embedded", None), WRONG, "not supported", "INFILL_TRANSPORT=tcp")
    monkeypatch.setenv("INFILL_TRANSPORT", "tcp")
    check(host.socket_folder("embedded", None), OK, "loopback")


def test_an_engine_that_runs(scripted: Scripted) -> None:
    scripted.connect({"text": "x"}).fill(HERE)
    found = [each for each in host.hosts() if str(scripted.script) in each.message]
    check(*found, OK, ", loaded, process", "1 filled")


def test_no_engine(meeting: Path) -> None:
    check(*host.hosts(), OK, "none runs")


@pytest.fixture
def listener(meeting: Path) -> Iterator[socket.socket]:
    """Something at an engine's address."""
    address = Address(runtime_folder(), "embedded-0")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.fspath(address.socket))
        listening.listen()
        yield listening


@posix
def test_an_engine_that_hangs(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "ANSWER_PATIENCE", 0.1)
    check(*host.hosts(), WRONG, "embedded-0 is there and does not answer", "engine stop")


@posix
def test_an_engine_that_is_gone(listener: socket.socket) -> None:
    listener.close()
    check(*host.hosts(), OK, "none runs")
