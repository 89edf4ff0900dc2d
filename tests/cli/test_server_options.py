"""From the command line to the server, by the short way and the long one."""

from __future__ import annotations

import logging
import socket
import sys
from types import ModuleType
from typing import Any

import pytest

import lsp_server
from lsp_server.cli import plain_server_options
from lsp_server.commands.serve import ServerOptions, address
from tests.cli.conftest import Infill

Call = tuple[Any, ...]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """How the server was started; it ends at once."""
    calls: list[Call] = []

    def note(name: str) -> Any:
        return lambda *arguments: calls.append((name, *arguments))

    server = ModuleType("lsp_server.server")
    for name in ("serve_stdio", "serve_tcp", "serve_ws"):
        setattr(server, name, note(name))
    monkeypatch.setitem(sys.modules, "lsp_server.server", server)
    monkeypatch.setattr(lsp_server, "server", server, raising=False)
    return calls


@pytest.mark.parametrize(
    ("command", "call"),
    [
        ("", ("serve_stdio", "embedded", None, None)),
        ("--stdio", ("serve_stdio", "embedded", None, None)),
        ("--stdio --model big --device cuda", ("serve_stdio", "big", "cuda", None)),
        ("--model=big", ("serve_stdio", "big", None, None)),
        ("--tcp 2087", ("serve_tcp", "127.0.0.1", 2087, "embedded", None, None)),
        ("--tcp=0.0.0.0:2087", ("serve_tcp", "0.0.0.0", 2087, "embedded", None, None)),
        ("--tcp [::1]:2087", ("serve_tcp", "::1", 2087, "embedded", None, None)),
        ("--ws localhost:2087", ("serve_ws", "localhost", 2087, "embedded", None, None)),
        ("--factory a:b --log-level debug", ("serve_stdio", "embedded", None, "a:b")),
    ],
)
@pytest.mark.parametrize("way", ["short", "long"])
def test_a_server_starts(
    infill: Infill,
    served: list[Call],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    call: Call,
    way: str,
) -> None:
    if way == "long":
        monkeypatch.setattr("lsp_server.cli.plain_server_options", lambda _: None)
    outcome = infill(*command.split())
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    assert served == [call]


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("", ServerOptions()),
        ("--log-file a.log", ServerOptions(log_file="a.log")),
        ("--log-level=debug --tcp 1", ServerOptions(log_level="debug", tcp="1")),
        ("--help", None),
        ("--version", None),
        ("fill", None),
        ("--model", None),
        ("--model=", None),
        ("--model --stdio", None),
        ("--stdio fill", None),
        ("--modle big", None),
    ],
)
def test_the_short_way_takes_only_what_is_plain(
    command: str, options: ServerOptions | None
) -> None:
    assert plain_server_options(command.split()) == options


def test_the_server_starts_without_the_terminal_modules(
    infill: Infill, served: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [*sys.modules]:
        if name.split(".")[0] in ("typer", "rich") or name == "lsp_server.commands.app":
            monkeypatch.delitem(sys.modules, name)
    infill("--stdio", "--model", "big")
    assert served
    assert not {"typer", "rich"} & sys.modules.keys()


def test_logs_go_to_the_file(infill: Infill, served: list[Call], tmp_path: Any) -> None:
    file = tmp_path / "infill.log"
    infill("--log-file", str(file), "--log-level", "info")
    logging.getLogger("lsp_server").info("begun")
    assert file.read_text().endswith("INFO lsp_server: begun\n")


def test_an_address_in_use(infill: Infill) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        outcome = infill("--tcp", str(taken.getsockname()[1]))
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (1, "", 1)
    assert "choose another address" in outcome.err


def test_without_a_host_only_this_machine_can_connect() -> None:
    assert address("80", "--tcp") == ("127.0.0.1", 80)
    assert address(":80", "--tcp") == ("127.0.0.1", 80)
