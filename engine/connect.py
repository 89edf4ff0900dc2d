"""Which engine: today a host process of one's own, started when first needed. Imports no torch.

with connect() as engine:
    fill = engine.fill(FillRequest(("def add(a, b):\\n    return ", "\\n")))
"""

from __future__ import annotations

import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, BinaryIO

from engine import wire
from engine.api import (
    Cancelled,
    Draft,
    EngineError,
    EngineInfo,
    Fill,
    FillRequest,
    HostLost,
    IsCancelled,
    OnDraft,
)

log = logging.getLogger("engine.connect")

# A running fill looks for its cancel before each step. One that has not stopped after this long
# hangs, and the only mend for that is a new process. The first step may compile kernels.
CANCEL_PATIENCE = 30.0
CLOSE_PATIENCE = 2.0
LAST_WORDS = 12


def connect(
    model: str = "embedded", device: str | None = None, factory: str | None = None
) -> HostEngine:
    """An engine in a process of its own. Nothing is started, and nothing waited for, yet."""
    command = [sys.executable, "-P", "-m", "engine.host", "--model", model]
    if device is not None:
        command += ["--device", device]
    if factory is not None:
        command += ["--factory", factory]
    return HostEngine(command)


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
    """The engine.api contract, served by a host process.

    No method but `fill`, `info` and `close` waits for anything. A host that dies fails what was
    asked of it with HostLost; the next request starts a fresh one. Safe to use from any thread.
    """

    def __init__(self, command: Sequence[str], cancel_patience: float = CANCEL_PATIENCE) -> None:
        self._command = list(command)
        self._cancel_patience = cancel_patience
        self._lock = threading.Lock()
        self._life: _Life | None = None
        self._closed = False

    def start(self) -> None:
        """Start the host ahead of the first request, so that the model loads meanwhile."""
        with suppress(HostLost):
            self._alive()

    def submit(self, request: FillRequest, on_draft: OnDraft | None = None) -> Job:
        """Ask for a fill. `on_draft` is called on a thread of the connection."""
        future: Future[Fill] = Future()
        # Taken as running from the start: cancelling the future alone would not stop the work.
        future.set_running_or_notify_cancel()
        try:
            life = self._alive()
        except HostLost as error:
            future.set_exception(error)
            return Job(future, lambda: None)
        id = life.ask_fill(request, future, on_draft)
        return Job(future, lambda: life.cancel(id))

    def fill(
        self,
        request: FillRequest,
        on_draft: OnDraft | None = None,
        cancelled: IsCancelled | None = None,
    ) -> Fill:
        """As engine.api says; `on_draft` is called on the caller's thread."""
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
        future: Future[EngineInfo] = Future()
        self._alive().ask_info(future)
        return future.result()

    @property
    def pid(self) -> int | None:
        """The host's process id, or None when none is running."""
        life = self._life
        return life.pid if life is not None and not life.ended else None

    def close(self) -> None:
        """End the host, and with it every pending job."""
        with self._lock:
            self._closed = True
            life, self._life = self._life, None
        if life is not None:
            life.close()

    def __enter__(self) -> HostEngine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _alive(self) -> _Life:
        with self._lock:
            if self._closed:
                raise HostLost("the engine is closed")
            if self._life is None or self._life.ended:
                self._life = _Life(self._command, self._cancel_patience)
            return self._life


class _Pending:
    """What waits for an answer: how to read its result, and since when its cancel is ignored."""

    __slots__ = ("cancelled_at", "future", "on_draft", "read")

    def __init__(
        self, future: Future[Any], read: Callable[[Any], Any], on_draft: OnDraft | None = None
    ) -> None:
        self.future = future
        self.read = read
        self.on_draft = on_draft
        self.cancelled_at: float | None = None


class _Life:
    """One host process, from start to end. Three threads: write to it, read from it, its log.

    The writer also starts the process, so that neither that nor a full pipe keeps a caller.
    """

    def __init__(self, command: list[str], cancel_patience: float) -> None:
        self._command = command
        self._cancel_patience = cancel_patience
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._pending: dict[int, _Pending] = {}
        self._watch: threading.Timer | None = None
        self._end: EngineError | None = None
        self._closing = False
        self._hangs = False
        self._process: subprocess.Popen[bytes] | None = None
        self._outbox: SimpleQueue[Callable[[], bytes] | None] = SimpleQueue()
        self._last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self._log_reader: threading.Thread | None = None
        self._writer = _thread(self._write, "engine-writer")

    @property
    def ended(self) -> bool:
        return self._end is not None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def ask_fill(self, request: FillRequest, future: Future[Fill], on_draft: OnDraft | None) -> int:
        def params() -> wire.Message:  # encoded by the writer: a large file takes milliseconds
            return {**wire.request_to_json(request), "drafts": on_draft is not None}

        return self._ask("fill", params, _Pending(future, wire.fill_from_json, on_draft))

    def ask_info(self, future: Future[EngineInfo]) -> int:
        return self._ask("info", dict, _Pending(future, wire.info_from_json))

    def cancel(self, id: int) -> None:
        with self._lock:
            pending = self._pending.get(id)
            if pending is None or pending.cancelled_at is not None:
                return
            pending.cancelled_at = time.monotonic()
            self._watch_cancels()
        line = wire.encode_line({"method": "cancel", "params": {"id": id}})
        self._outbox.put(lambda: line)

    def close(self) -> None:
        self._closing = True
        self._outbox.put(None)
        self._writer.join(CLOSE_PATIENCE)
        process = self._process
        if process is not None:
            try:
                process.wait(CLOSE_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._fail_pending(HostLost("the engine was closed"))

    def _ask(self, method: str, params: Callable[[], wire.Message], pending: _Pending) -> int:
        id = next(self._ids)
        with self._lock:
            ended = self._end
            if ended is None:
                self._pending[id] = pending
        if ended is not None:
            pending.future.set_exception(ended)
        else:
            self._outbox.put(
                lambda: wire.encode_line({"id": id, "method": method, "params": params()})
            )
        return id

    def _write(self) -> None:
        try:
            process = self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment(),
            )
        except OSError as error:
            self._fail_pending(HostLost(f"the engine process cannot be started: {error}"))
            return
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._log_reader = _thread(self._read_log, "engine-log", process.stderr)
        _thread(self._read, "engine-reader", process.stdout)
        with suppress(OSError):  # a host that has gone is the reader's to report
            while (message := self._outbox.get()) is not None:
                process.stdin.write(message())
                process.stdin.flush()
        with suppress(OSError):
            process.stdin.close()

    def _read(self, answers: BinaryIO) -> None:
        with suppress(OSError, ValueError):
            for line in answers:
                try:
                    self._take(wire.decode_line(line))
                except Exception:
                    log.exception("the engine sent what cannot be read")
        self._fail_pending(HostLost(self._how_it_ended()))
        self._outbox.put(None)
        answers.close()

    def _take(self, message: wire.Message) -> None:
        if message.get("method") == "draft":
            self._take_draft(message["params"])
            return
        with self._lock:
            pending = self._pending.pop(message.get("id") or 0, None)
        if pending is None:
            return
        if "error" in message:
            pending.future.set_exception(wire.error_from_json(message["error"]))
            return
        try:
            result = pending.read(message["result"])
        except Exception as error:
            log.exception("the engine gave an answer that cannot be read")
            pending.future.set_exception(EngineError(f"the engine's answer is unreadable: {error}"))
        else:
            pending.future.set_result(result)

    def _take_draft(self, params: wire.Message) -> None:
        with self._lock:
            pending = self._pending.get(params["id"])
        if pending is not None and pending.on_draft is not None and pending.cancelled_at is None:
            pending.on_draft(wire.draft_from_json(params["draft"]))

    def _read_log(self, stderr: BinaryIO) -> None:
        with suppress(OSError, ValueError):
            for line in stderr:
                text = line.decode("utf-8", "replace").rstrip()
                self._last_words.append(text)
                log.info("host: %s", text)
        stderr.close()

    def _how_it_ended(self) -> str:
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_PATIENCE)
        if self._log_reader is not None:
            # A child of the host may hold its stderr open: do not wait for ever.
            self._log_reader.join(0.5)
        if self._hangs:
            cause = f"did not stop a fill within {self._cancel_patience:g} s and was ended"
        else:
            cause = _cause_of_death(self._process.poll())
        words = "\n".join(self._last_words)
        return (
            f"the engine process {cause}; the next request starts a new one"
            + (f"\nits last words:\n{words}" if words else "")
        )  # fmt: skip

    def _fail_pending(self, error: HostLost) -> None:
        with self._lock:
            if self._end is None:
                self._end = error
            pending, self._pending = self._pending, {}
            if self._watch is not None:
                self._watch.cancel()
        for each in pending.values():
            lost = Cancelled("cancelled") if each.cancelled_at is not None else error
            with suppress(Exception):
                each.future.set_exception(lost)
        if pending and not self._closing:
            log.info("%d requests lost: %s", len(pending), error)

    def _watch_cancels(self) -> None:
        """Under the lock: see to it that somebody looks when the oldest cancel's patience ends."""
        if self._watch is not None or self._end is not None:
            return
        stopping = [p.cancelled_at for p in self._pending.values() if p.cancelled_at is not None]
        if not stopping:
            return
        left = max(0.0, min(stopping) + self._cancel_patience - time.monotonic())
        self._watch = threading.Timer(left, self._look_at_cancels)
        self._watch.daemon = True
        self._watch.start()

    def _look_at_cancels(self) -> None:
        with self._lock:
            self._watch = None
            late = time.monotonic() - self._cancel_patience
            self._hangs = any(
                each.cancelled_at is not None and each.cancelled_at <= late
                for each in self._pending.values()
            )
            if not self._hangs:
                self._watch_cancels()
                return
        if self._process is not None:
            self._process.kill()


def _thread(target: Callable[..., None], name: str, *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
    thread.start()
    return thread


def _environment() -> dict[str, str]:
    """Ours, so that the host imports this very `engine`.

    `-P` keeps the working folder, a user's project that may well hold an `engine` of its own, off
    the host's path; a source tree that is not installed is therefore named.
    """
    root = Path(__file__).resolve().parent.parent
    if root.name in ("site-packages", "dist-packages"):
        return dict(os.environ)
    path = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def _cause_of_death(status: int | None) -> str:
    if status is None:
        return "closed its output"
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
