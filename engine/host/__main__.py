"""`python -m engine.host --at FOLDER/NAME --model NAME-or-folder`: started by a client.

Two threads: the event loop takes messages in and never waits for the model; the worker loads the
model and runs the fills. So a cancel is seen between two steps of the fill it is for. Stdout and
stderr are the log; a full disk loses what would be logged there, and nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from engine.api import Engine, OutOfMemory
from engine.client.address import Address, Loaded
from engine.client.channel import listen
from engine.client.find import IS_SERVED_ALREADY
from engine.client.habits import Habits
from engine.client.lock import FileLock
from engine.client.neighbours import retire_others
from engine.host.log import Forgiving, ToWindows
from engine.host.service import Host
from engine.host.worker import Worker, is_out_of_memory

log = logging.getLogger("engine.host")

LOCK_PATIENCE = 3.0  # a host that ends takes a moment


def main(argv: list[str] | None = None) -> None:
    given = _parser().parse_args(argv)
    sys.stdout = sys.stderr = Forgiving()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    for number in ("SIGINT", "SIGHUP"):  # a terminal's; we outlive it
        if hasattr(signal, number):
            signal.signal(getattr(signal, number), signal.SIG_IGN)
    address = Address(given.at.parent, given.at.name)
    loaded = Loaded(given.model, given.device, given.factory)
    habits = Habits(given.linger, given.unload_after, given.cancel_patience)

    lock = FileLock(address.lock)
    try:
        if not _take(lock):
            log.error("another host serves %s", address.name)
            sys.exit(IS_SERVED_ALREADY)
        listener = listen(address)
    except OSError as error:
        log.error("%s: fix that, or set INFILL_RUNTIME_DIR to a folder of your own", error)
        sys.exit(1)
    log.info("host %d serves %s as %s", os.getpid(), given.model, address.name)
    worker = Worker(lambda: load_alone(address, loaded), habits.unload_after)
    host = Host(worker, listener, address, loaded, habits)
    logging.getLogger().addHandler(ToWindows(host.broadcast))
    worker.start()
    asyncio.run(_serve(host, lock))


async def _serve(host: Host, lock: FileLock) -> None:
    with suppress(NotImplementedError):  # Windows
        asyncio.get_running_loop().add_signal_handler(
            signal.SIGTERM, lambda: host.end("was ended by SIGTERM")
        )
    reason = await host.run()
    log.info("host %d %s", os.getpid(), reason)
    lock.remove()
    # The worker may be in the middle of a step; nothing it holds needs an orderly end.
    os._exit(0)


def load_alone(address: Address, loaded: Loaded) -> Engine:
    """Other hosts that nobody uses go first; one that stays explains a lack of memory."""
    others = retire_others(address)
    for other in others:
        log.info("another engine runs and keeps its memory: %s", other)
    try:
        return load(loaded)
    except BaseException as error:
        if others and is_out_of_memory(error):
            raise OutOfMemory(
                f"not enough memory to load {loaded.model} beside another engine that runs:"
                f" {'; '.join(others)}. Use one model everywhere, or run `infill-ls engine stop`"
            ) from error
        raise


def load(loaded: Loaded) -> Engine:
    if loaded.factory is not None:
        module, _, function = loaded.factory.partition(":")
        made: Engine = getattr(importlib.import_module(module), function)(
            loaded.model, loaded.device
        )
        return made
    if loaded.model.startswith(("http://", "https://")):
        from engine.remote import load_remote

        return load_remote(loaded.model)
    from engine.fill.load import load_engine
    from engine.fill.sharing import SharedEngine

    return SharedEngine(load_engine(loaded.model, loaded.device))


def _take(lock: FileLock) -> bool:
    deadline = time.monotonic() + LOCK_PATIENCE
    while not lock.take():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _seconds_or_never(text: str) -> float | None:
    return None if text == "never" else float(text)


def _parser() -> argparse.ArgumentParser:
    default = Habits()
    parser = argparse.ArgumentParser(prog="python -m engine.host", description=__doc__)
    parser.add_argument("--at", type=Path, required=True, help="the folder and name of its files")
    parser.add_argument("--model", default="embedded", help="a model's name, folder or address")
    parser.add_argument("--device", help="cpu, cuda, ...; the best one at hand without it")
    parser.add_argument("--factory", help="module:function that makes another engine (tests)")
    parser.add_argument("--linger", type=float, default=default.linger)
    parser.add_argument("--unload-after", type=_seconds_or_never, default=default.unload_after)
    parser.add_argument("--cancel-patience", type=float, default=default.cancel_patience)
    return parser


if __name__ == "__main__":
    main()
