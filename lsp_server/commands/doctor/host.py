"""Where the engine's processes are met, whether a socket can be made there, and who answers."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from engine import __version__
from engine.api import EngineError
from engine.client.address import Address, Loaded, address_of, addresses, runtime_folder
from engine.client.channel import NoHost
from engine.client.greeting import visit
from lsp_server.commands.doctor.finding import Finding, ok, warning, wrong
from lsp_server.commands.doctor.models import message_and_fix

ANSWER_PATIENCE = 3.0  # seconds
STOP = "run `infill-ls engine stop`; the next fill starts a new one"


def socket_folder(model: str, device: str | None) -> Finding:
    """Private, writable, short enough; a socket is made in it and removed."""
    try:
        folder = runtime_folder()
        address_of(Loaded(model, device))
    except EngineError as error:
        return wrong("socket", *message_and_fix(str(error)))
    if os.environ.get("INFILL_TRANSPORT") == "tcp" or not hasattr(socket, "AF_UNIX"):
        return ok("socket", f"a loopback port with a secret in {folder}")
    try:
        _bind(folder / f"doctor-{os.getpid()}.try")
    except OSError as error:
        return wrong(
            "socket",
            f"none can be made in {folder}: {error.strerror or error}",
            "set INFILL_RUNTIME_DIR to a folder of your own on a local disk, or"
            " INFILL_TRANSPORT=tcp",
        )
    return ok("socket", f"in {folder}, which only you may enter")


def hosts() -> Iterator[Finding]:
    """Who runs already. None is started: the first fill does that."""
    try:
        there = list(addresses())
    except EngineError:
        return  # `socket_folder` tells why
    found = [finding for address in there if (finding := _visited(address)) is not None]
    yield from found or [ok("engine", "none runs; the first fill starts one")]


def _visited(address: Address) -> Finding | None:
    """None for a socket that its host has left behind: the next host removes it."""
    try:
        report = visit(address, "status", ANSWER_PATIENCE)
    except NoHost:
        return None
    except TimeoutError:
        return wrong("engine", f"{address.name} is there and does not answer", STOP)
    except EngineError as error:
        return warning("engine", str(error), STOP)
    except ValueError as error:
        return wrong("engine", f"{address.name} answers nonsense: {error}", STOP)
    device = f" on {report['device']}" if report.get("device") else ""
    message = f"{report['model']}{device}, {report['state']}"
    if str(report["state"]).startswith("not loaded"):
        return wrong("engine", message, "fix what it names; `infill-ls engine log` has more")
    if report["version"] != __version__:
        return warning("engine", f"{message}, of infill-ls {report['version']}", STOP)
    return ok("engine", f"{message}, process {report['pid']}, {report['filled']} filled")


def _bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        try:
            made.bind(os.fspath(path))
        finally:
            with suppress(OSError):
                path.unlink()
