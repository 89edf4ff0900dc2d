"""`infill-ls` without a subcommand: the language server, on stdio or a socket."""

from __future__ import annotations

import gc
import io
import logging
import sys
from dataclasses import dataclass

from lsp_server.commands.fault import FAILED, CommandError

LOCAL = "127.0.0.1"
LEVELS = {
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """As given on the command line. `factory` stands in for the model in tests."""

    model: str = "embedded"
    device: str | None = None
    tcp: str | None = None
    ws: str | None = None
    log_file: str | None = None
    log_level: str = "warning"
    factory: str | None = None


def serve(options: ServerOptions) -> None:
    if options.tcp is not None and options.ws is not None:
        raise CommandError("--tcp and --ws are two ways to listen: give one of them")
    tcp = address(options.tcp, "--tcp") if options.tcp is not None else None
    ws = address(options.ws, "--ws") if options.ws is not None else None
    start_log(options.log_file, options.log_level)
    # Looking for garbage among all the types that are being made would take longer than to make
    # them. The server lets the collector run again once it is set up.
    gc.disable()
    from lsp_server import server

    model, device, factory = options.model, options.device, options.factory
    try:
        if tcp:
            server.serve_tcp(tcp[0], tcp[1], model, device, factory)
        elif ws:
            server.serve_ws(ws[0], ws[1], model, device, factory)
        else:
            server.serve_stdio(model, device, factory)
    except OSError as error:
        if not tcp and not ws:
            raise
        where = f"--tcp {options.tcp}" if tcp else f"--ws {options.ws}"
        cause = error.strerror or error
        raise CommandError(f"{where}: {cause}: choose another address", FAILED) from error


def address(given: str, option: str) -> tuple[str, int]:
    """HOST:PORT or PORT; without a host only this machine can connect."""
    host, _, port = given.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) < 65536):
        raise CommandError(f"{option} {given} is no address: give PORT or HOST:PORT, such as 2087")
    return host.strip("[]") or LOCAL, int(port)


def start_log(file: str | None, level: str) -> None:
    """Logs go to stderr, which editors keep, or to `file`; never to stdout, which is protocol."""
    if level not in LEVELS:
        raise CommandError(f"--log-level {level} is unknown: give one of {', '.join(LEVELS)}")
    handler: logging.Handler
    try:
        # A name in a message can hold what no encoding has, half a character for one.
        odd = "backslashreplace"
        if file:
            handler = logging.FileHandler(file, encoding="utf-8", errors=odd)
        else:
            if isinstance(sys.stderr, io.TextIOWrapper):
                sys.stderr.reconfigure(errors=odd)
            handler = logging.StreamHandler()
    except OSError as error:
        raise CommandError(f"--log-file {file} cannot be written: {error.strerror}") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(LEVELS[level])
