"""One connection to a host, from finding or starting it until either end goes.

Two threads: one finds the host and then writes to it, the other reads from it; so neither a start
nor a full socket keeps a caller. After the end `HostEngine` makes another connection.
"""

from __future__ import annotations

import itertools
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from engine import wire
from engine.api import (
    Cancelled,
    EngineError,
    EngineInfo,
    Fill,
    FillRequest,
    HostLost,
    OnDraft,
)
from engine.host.address import Address, Loaded, address_of
from engine.host.channel import NoHost
from engine.host.find import Met, Patience, cause_of_death, find_or_start, last_words
from engine.host.habits import Habits

log = logging.getLogger("engine.connect")

CLOSE_PATIENCE = 2.0


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


class Connection:
    def __init__(self, loaded: Loaded, habits: Habits, patience: Patience, window: str) -> None:
        self._loaded = loaded
        self._habits = habits
        self._patience = patience
        self._window = window
        self.disagreement: str | None = None
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._pending: dict[int, _Pending] = {}
        self._watch: threading.Timer | None = None
        self._end: EngineError | None = None
        self._closing = False
        self._goodbye: str | None = None
        self._address: Address | None = None
        self._met: Met | None = None
        self._outbox: SimpleQueue[Callable[[], bytes] | None] = SimpleQueue()
        self._writer = _thread(self._run, "engine-writer")

    @property
    def ended(self) -> bool:
        return self._end is not None

    @property
    def pid(self) -> int | None:
        return self._met.host["pid"] if self._met is not None else None

    def ask_fill(
        self,
        request: FillRequest,
        terms: wire.Terms,
        future: Future[Fill],
        on_draft: OnDraft | None,
    ) -> int:
        def params() -> wire.Message:  # encoded by the writer: a large file takes milliseconds
            return wire.fill_to_params(request, terms)

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
            met = self._met
        if met is None:  # no host has it yet: nothing to wait for
            self._answer_error(id, Cancelled("cancelled before it began"))
            return
        line = wire.encode_line({"method": "cancel", "params": {"id": id}})
        self._outbox.put(lambda: line)

    def close(self) -> None:
        self._closing = True
        self._outbox.put(None)
        self._writer.join(CLOSE_PATIENCE)
        if self._met is not None:
            self._met.channel.close()
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
            self._outbox.put(lambda: self._line(id, method, params))
        return id

    def _line(self, id: int, method: str, params: Callable[[], wire.Message]) -> bytes:
        with self._lock:
            if id not in self._pending:  # cancelled while the host was started
                return b""
        return wire.encode_line({"id": id, "method": method, "params": params()})

    def _run(self) -> None:
        try:
            met = self._meet()
        except EngineError as error:
            self._fail_pending(error)
            return
        except Exception as error:
            log.exception("the engine could not be reached")
            self._fail_pending(HostLost(f"the engine cannot be reached: {error}"))
            return
        with self._lock:
            self._met = met
        _thread(self._read, "engine-reader", met)
        with suppress(OSError):  # a host that has gone is the reader's to report
            while (message := self._outbox.get()) is not None:
                met.channel.socket.sendall(message())
        if self._closing:
            met.channel.close()

    def _meet(self) -> Met:
        address = self._address = address_of(self._loaded)
        met = find_or_start(
            address,
            self._loaded,
            self._habits,
            self._window,
            self._patience,
            is_wanted=lambda: not self._closing,
        )
        self.disagreement = self._disagreement(met)
        if self.disagreement is not None:
            log.warning("%s", self.disagreement)
        return met

    def _disagreement(self, met: Met) -> str | None:
        try:
            theirs = Habits.from_json(met.host.get("habits"))
        except ValueError:
            return None
        if theirs == self._habits:
            return None
        return (
            f"the engine that runs (process {met.host['pid']}) keeps the settings of another"
            f" window: {theirs}. Yours hold when it is started again: close the other windows, or"
            " run `infill-ls engine stop`"
        )

    def _read(self, met: Met) -> None:
        try:
            while True:
                self._take(met.channel.receive())
        except (NoHost, OSError):
            cause = None
        except ValueError as error:
            # Where the next message begins is anybody's guess: what is pending has no answer here.
            log.error("the engine sent what cannot be read: %s", error)
            cause = f"sent what cannot be read ({error})"
        except Exception:
            log.exception("the engine's message could not be taken in")
            cause = "sent what cannot be understood"
        if cause is not None:
            met.channel.close()
        self._fail_pending(HostLost(self._how_it_ended(met, cause)))
        self._outbox.put(None)
        if met.process is not None:
            met.process.wait()  # however long it serves others: nobody else can reap it

    def _take(self, message: wire.Message) -> None:
        match message.get("method"):
            case "draft":
                self._take_draft(message["params"])
                return
            case "log":
                said = message["params"]
                log.log(int(said["level"]), "host: %s", said["message"])
                return
            case "goodbye":
                self._goodbye = str(message["params"]["reason"])
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
        if pending is None or pending.on_draft is None or pending.cancelled_at is not None:
            return
        try:
            pending.on_draft(wire.draft_from_json(params["draft"]))
        except Exception:
            log.exception("a draft was lost")

    def _answer_error(self, id: int, error: EngineError) -> None:
        with self._lock:
            pending = self._pending.pop(id, None)
        if pending is not None:
            pending.future.set_exception(error)

    def _how_it_ended(self, met: Met, cause: str | None) -> str:
        assert self._address is not None
        if cause is None:
            cause = self._goodbye
        if cause is None and met.process is not None and not self._closing:
            with suppress(subprocess.TimeoutExpired):
                cause = cause_of_death(met.process.wait(CLOSE_PATIENCE))
        cause = cause or f"(process {met.host['pid']}) has gone"
        words = ""
        if self._goodbye is None and not self._closing:
            words = last_words(self._address, int(met.host.get("log_starts") or 0))
        return f"the engine process {cause}; the next request starts a new one{words}"

    def _fail_pending(self, error: EngineError) -> None:
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
        """Under the lock: see to it that somebody looks when the oldest cancel's patience ends.

        The host watches its fills itself. Where it does not, it hangs as a whole.
        """
        if self._watch is not None or self._end is not None:
            return
        stopping = [p.cancelled_at for p in self._pending.values() if p.cancelled_at is not None]
        if not stopping:
            return
        left = max(0.0, min(stopping) + self._cancel_patience - time.monotonic())
        self._watch = threading.Timer(min(left, threading.TIMEOUT_MAX), self._look_at_cancels)
        self._watch.daemon = True
        self._watch.start()

    def _look_at_cancels(self) -> None:
        with self._lock:
            self._watch = None
            late = time.monotonic() - self._cancel_patience
            hangs = any(
                each.cancelled_at is not None and each.cancelled_at <= late
                for each in self._pending.values()
            )
            if not hangs:
                self._watch_cancels()
                return
            met = self._met
        if met is None:
            return
        self._goodbye = f"did not stop a fill within {self._cancel_patience:g} s and was ended"
        with suppress(OSError):
            os.kill(met.host["pid"], getattr(signal, "SIGKILL", signal.SIGTERM))

    @property
    def _cancel_patience(self) -> float:
        return self._habits.cancel_patience + self._patience.cancel


def _thread(target: Callable[..., None], name: str, *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
    thread.start()
    return thread
