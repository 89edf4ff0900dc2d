"""Which engine: the one process of this user and machine that has the model. Imports no torch.

with connect() as engine:
    fill = engine.fill(FillRequest(("def add(a, b):\\n    return ", "\\n")))

Everybody who asks for the same model on the same device shares a host (engine/host). It behaves as
the window wants that came to it first (`Habits`). In the environment, for a command line or a test:

    INFILL_RUNTIME_DIR      the private folder where hosts are met: clients with different ones
                            never share; tests isolate themselves so
    INFILL_TRANSPORT        "tcp": a loopback port and a secret instead of a unix socket
    INFILL_LINGER, INFILL_UNLOAD_AFTER, INFILL_CANCEL_PATIENCE
                            seconds, or "never": these habits, whatever the caller says
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType

from engine.api import (
    Draft,
    EngineInfo,
    Fill,
    FillRequest,
    HostLost,
    IsCancelled,
    OnDraft,
    Priority,
)
from engine.client import wire
from engine.client.address import Loaded
from engine.client.connection import Connection
from engine.client.find import Patience
from engine.client.habits import Habits

_windows = itertools.count(1)


def connect(
    model: str = "embedded",
    device: str | None = None,
    factory: str | None = None,
    habits: Habits | None = None,
) -> HostEngine:
    """The engine that serves `model` to all of this user's windows. Nothing is started, and
    nothing waited for, yet.

    `model` is "embedded", a folder, or the http(s) address of a server (engine/remote). `factory`
    is "module:function" and makes another engine, for tests: its host ends with its last window.
    """
    wanted = habits or (Habits() if factory is None else Habits(linger=0.0))
    return HostEngine(Loaded(_absolute(model), device, factory), wanted.in_environment())


class Job:
    """A fill under way. Its future ends in a Fill or an EngineError; it cannot be cancelled itself.

    `cancel` returns at once. The future ends in Cancelled when the engine has stopped working.
    """

    __slots__ = ("_cancel", "future")

    def __init__(self, future: Future[Fill], cancel: Callable[[], None]) -> None:
        self.future = future
        self._cancel = cancel

    def cancel(self) -> None:
        self._cancel()


class HostEngine:
    """The engine.api contract, served by a host process. To the host it is one window.

    No method but `fill`, `info` and `close` waits for anything. A host that dies fails what was
    asked of it with HostLost; the next request starts a fresh one. Safe to use from any thread.
    """

    def __init__(
        self, loaded: Loaded, habits: Habits | None = None, patience: Patience | None = None
    ) -> None:
        self.loaded = loaded
        self._habits = habits or Habits()
        self._patience = patience or Patience()
        self._window = f"{os.getpid()}.{next(_windows)}"
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._closed = False

    def start(self) -> None:
        """Find or start the host ahead of the first request, so that the model loads meanwhile."""
        self._alive()

    def submit(
        self,
        request: FillRequest,
        on_draft: OnDraft | None = None,
        *,
        priority: Priority = Priority.FOREGROUND,
        slot: str | None = None,
        within: float | None = None,
    ) -> Job:
        """Ask for a fill. `on_draft` is called on a thread of the connection.

        Speculative requests give way to anybody's foreground ones. Of the requests for one `slot`
        the newest ends the others. What has no answer `within` so many seconds is stopped. In
        each of these cases the future ends in Cancelled.
        """
        future: Future[Fill] = Future()
        # Taken as running from the start: cancelling the future alone would not stop the work.
        future.set_running_or_notify_cancel()
        connection = self._alive()
        if connection is None:
            future.set_exception(HostLost("the engine is closed"))
            return Job(future, lambda: None)
        terms = wire.Terms(priority, slot, within, drafts=on_draft is not None)
        id = connection.ask_fill(request, terms, future, on_draft)
        return Job(future, lambda: connection.cancel(id))

    def fill(
        self,
        request: FillRequest,
        on_draft: OnDraft | None = None,
        cancelled: IsCancelled | None = None,
        window: str = "",
    ) -> Fill:
        """As engine.api says; `on_draft` is called on the caller's thread. This engine is a window
        of its own, whatever `window` says."""
        drafts: SimpleQueue[Draft | None] = SimpleQueue()
        job = self.submit(request, drafts.put if on_draft else None)
        job.future.add_done_callback(lambda _: drafts.put(None))
        asked_to_stop = False
        while True:
            try:
                draft = drafts.get(timeout=0.02 if cancelled else None)
            except Empty:
                draft = None
            if draft is not None and on_draft is not None and not asked_to_stop:
                on_draft(draft)
            elif job.future.done():
                return job.future.result()
            if cancelled is not None and not asked_to_stop and cancelled():
                asked_to_stop = True
                job.cancel()

    @property
    def info(self) -> EngineInfo:
        """Waits until the model is loaded. Raises the EngineError that kept it from loading."""
        connection = self._alive()
        if connection is None:
            raise HostLost("the engine is closed")
        future: Future[EngineInfo] = Future()
        connection.ask_info(future)
        return future.result()

    @property
    def pid(self) -> int | None:
        """The host's process id, or None when we are not connected to one."""
        connection = self._connection
        return connection.pid if connection is not None and not connection.ended else None

    @property
    def disagreement(self) -> str | None:
        """Why the host does not behave as we want, where it does not: others were there first."""
        connection = self._connection
        return connection.disagreement if connection is not None else None

    def close(self) -> None:
        """Leave the host, which stops our fills. It ends some time after its last window left."""
        with self._lock:
            self._closed = True
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def __enter__(self) -> HostEngine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _alive(self) -> Connection | None:
        """None once we are closed."""
        with self._lock:
            if self._closed:
                return None
            if self._connection is None or self._connection.ended:
                self._connection = Connection(
                    self.loaded, self._habits, self._patience, self._window
                )
            return self._connection


def _absolute(model: str) -> str:
    """The host runs in another folder, and may have been started from yet another."""
    if "://" in model:
        return model
    path = Path(model).expanduser()
    is_path = path.exists() or path.name != model
    return str(path.absolute()) if is_path and model != "embedded" else model
