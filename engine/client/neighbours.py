"""The user's other hosts: of another version, with another model or device."""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from engine.api import EngineError
from engine.client import wire
from engine.client.address import Address, addresses
from engine.client.channel import NoHost, remove_traces
from engine.client.greeting import visit
from engine.client.lock import FileLock

log = logging.getLogger("engine.host")

LEAVE_PATIENCE = 5.0
KEEP_LOGS = 24 * 3600.0


def retire_others(mine: Address) -> list[str]:
    """Let hosts that nobody uses end, and their memory be free; who stays, in words."""
    staying = []
    for address in addresses():
        if address.name == mine.name:
            continue
        try:
            other = visit(address, "retire")
        except NoHost:
            tidy(address)
            continue
        except (TimeoutError, EngineError, ValueError) as error:
            log.info("another engine (%s) did not say whether it can go: %s", address.name, error)
            staying.append(f"{address.name}, which does not answer")
            continue
        if other.get("windows"):
            staying.append(in_words(other))
        else:
            wait_for_end(address, LEAVE_PATIENCE)
    return staying


def in_words(host: wire.Message) -> str:
    device = f" on {host['device']}" if host.get("device") else ""
    windows = host.get("windows")
    return (
        f"{host.get('model')}{device} (infill-ls {host.get('version')}, process {host.get('pid')},"
        f" {windows} {'window' if windows == 1 else 'windows'})"
    )


def wait_for_end(address: Address, patience: float) -> bool:
    """Whether nobody serves `address` any more: the lock says so, the socket alone does not."""
    deadline = time.monotonic() + patience
    lock = FileLock(address.lock)
    while not lock.take():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    lock.release()
    return True


def tidy(address: Address) -> None:
    """Remove what a dead host has left, its log after a day."""
    lock = FileLock(address.lock)
    with suppress(OSError):
        if not lock.take():
            return
        remove_traces(address)
        if address.log.exists() and time.time() - address.log.stat().st_mtime > KEEP_LOGS:
            address.log.unlink()
        lock.remove()
