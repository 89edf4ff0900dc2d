"""`infill-ls engine`: the processes that own the models, seen from a terminal."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from engine.api import EngineError
from engine.client.address import Address, addresses, runtime_folder
from engine.client.channel import NoHost, Silent, dial
from engine.client.greeting import visit
from engine.client.neighbours import tidy, wait_for_end
from lsp_server.commands.fault import FAILED, CommandError, engine_fault, one_line, visible

ANSWER_PATIENCE = 3.0
STOP_PATIENCE = 5.0

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, help="The process that owns the model."
)


@dataclass(frozen=True, slots=True)
class Found:
    """A host, and what it says; None where it is there and says nothing of use."""

    address: Address
    status: dict[str, Any] | None
    problem: str = ""


@app.command("status")
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """Which engines run, what they have loaded, and who uses them."""
    found = list(_found())
    if as_json:
        report = [
            host.status or {"name": host.address.name, "problem": host.problem} for host in found
        ]
        print(json.dumps(report))
    elif not found:
        print("no engine runs")
    for host in () if as_json else found:
        print(_in_words(host))


@app.command("stop")
def stop() -> None:
    """End every engine; an editor that needs one starts it again."""
    found = list(_found())
    if not found:
        print("no engine runs")
    for host in found:
        _stop(host)


@app.command("log")
def log(
    lines: Annotated[int, typer.Option("-n", min=1, metavar="N", help="How many lines.")] = 50,
) -> None:
    """The latest lines of the engine's log."""
    try:
        logs = sorted(runtime_folder().glob("*.log"), key=lambda path: path.stat().st_mtime)
        if not logs:
            print("no engine has a log")
            return
        answer = logs[-1].read_bytes().decode("utf-8", "replace").splitlines()
    except EngineError as error:
        raise engine_fault(error) from error
    except OSError as error:
        raise CommandError(f"the log cannot be read: {error.strerror}", FAILED) from error
    print(one_line(str(logs[-1])))
    for line in answer[-lines:]:
        print(visible(line))


def _found() -> Iterator[Found]:
    try:
        there = list(addresses())
    except EngineError as error:
        raise engine_fault(error) from error
    for address in there:
        try:
            yield Found(address, visit(address, "status", ANSWER_PATIENCE))
        except NoHost:
            tidy(address)
        except TimeoutError:
            yield Found(address, None, "does not answer")
        except (EngineError, ValueError) as error:
            yield Found(address, None, str(error))


def _in_words(host: Found) -> str:
    if host.status is None:
        return one_line(f"{host.address.name}: {host.problem}")
    report = host.status
    device = f" on {report['device']}" if report.get("device") else ""
    windows, waiting = report["windows"], report["waiting"]
    way = f" by {report['way']}" if report.get("way") else ""
    doing = "filling" if report["running"] else "idle"
    return one_line(
        f"{report['model']}{device}{way}: {report['state']}, {doing}, {waiting} waiting,"
        f" {report['filled']} filled, {windows} {'window' if windows == 1 else 'windows'};"
        f" process {report['pid']} of infill-ls {report['version']},"
        f" up {_duration(report['seconds'])}"
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{rest} s"


def _stop(host: Found) -> None:
    """Ask it; one that does not answer is ended."""
    name = host.status["model"] if host.status else host.address.name
    if host.status is not None:
        with suppress(NoHost, TimeoutError, EngineError, ValueError):
            visit(host.address, "shutdown", ANSWER_PATIENCE)
    if not wait_for_end(host.address, STOP_PATIENCE if host.status else 0.0):
        pid = _listener(host.address)
        if pid is None:
            raise CommandError(
                one_line(f"{name} does not end: end its process by hand ({host.problem})"), FAILED
            )
        for each in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
            with suppress(ProcessLookupError):
                os.kill(pid, each)
            if wait_for_end(host.address, STOP_PATIENCE / 5):
                break
    tidy(host.address)
    print(one_line(f"stopped {name}"))


def _listener(address: Address) -> int | None:
    """Who serves the address, without its help."""
    try:
        channel = dial(address, 1.0)
    except Silent as silent:
        return silent.pid
    except (NoHost, EngineError, ValueError):
        return None
    channel.close()
    return channel.pid
