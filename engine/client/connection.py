"""One connection to a host, from finding or starting it until either end goes.

Three threads: one finds the host and then writes to it, one reads from it, so that neither a start
nor a full socket keeps a caller; the third sees to it that what is asked has an end, whatever has
become of the host. After the end `HostEngine` makes another connection.
"""

from __future__ import annotations

import itertools
import logging
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from engine.api import (
    Cancelled,
    EngineError,
    EngineInfo,
    Fill,
    FillRequest,
    HostLost,
    OnDraft,
)
from engine.client import wire
from engine.client.address import Address, Loaded, address_of
from engine.client.channel import NoHost
from engine.client.find import Met, Patience, cause_of_death, find_or_start, kill, last_words
from engine.client.habits import Habits
from engine.client.pulse import LOOK, Pulse

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
        self._lock = threading.Condition()
        self._pending: dict[int, _Pending] = {}
        self._heard = 0  # messages of the host
        self._pinged: int | None = None  # what `_heard` was when the last ping went out
        self._sending = False
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
                self._lock.notify_all()
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
        _thread(self._watch, "engine-watch", met)
        with suppress(OSError):  # a host that has gone is the reader's to report
            while (message := self._outbox.get()) is not None:
                line = message()
                self._sending = True
                met.channel.socket.sendall(line)
                self._sending = False
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
                message = met.channel.receive()
                self._heard += 1
                self._take(message)
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
                logged = message["params"]
                log.log(int(logged["level"]), "host: %s", logged["message"])
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
            self._lock.notify_all()
        for each in pending.values():
            lost = Cancelled("cancelled") if each.cancelled_at is not None else error
            with suppress(Exception):
                each.future.set_exception(lost)
        if pending and not self._closing:
            log.info("%d requests lost: %s", len(pending), error)

    def _watch(self, met: Met) -> None:
        """End a host that hangs: nothing else stops its work, and everybody waits for it."""
        pulse = Pulse(met.channel.pid)
        while self._waits_for_answers():
            reason = self._ignored_cancel() or self._silence(pulse)
            if reason is not None:
                self._end_host(met, reason)
                return

    def _waits_for_answers(self) -> bool:
        """Some time after an answer is due; False once none ever will be."""
        with self._lock:
            self._lock.wait_for(lambda: self._pending or self._end is not None)
            return not self._lock.wait_for(lambda: self._end is not None, LOOK)

    def _ignored_cancel(self) -> str | None:
        """The host watches its fills itself. Where it does not, it hangs as a whole."""
        patience = self._habits.cancel_patience + self._patience.cancel
        late = time.monotonic() - patience
        with self._lock:
            cancelled = [each.cancelled_at for each in self._pending.values()]
        if any(at is not None and at <= late for at in cancelled):
            return f"did not stop a fill within {patience:g} s and was ended"
        return None

    def _silence(self, pulse: Pulse) -> str | None:
        """A ping is answered at once, while the model is loaded too; and what was sent is read."""
        if self._pinged != self._heard and not self._sending:
            pulse.heard()
            self._outbox.put(self._ping)
            return None
        pulse.look()
        patience = self._patience
        if pulse.still < patience.still and (pulse.silent < patience.word or pulse.is_excused):
            return None
        return f"did not answer for {pulse.silent:g} s and was ended"

    def _ping(self) -> bytes:
        self._pinged = self._heard
        return wire.encode_line({"id": next(self._ids), "method": "ping"})

    def _end_host(self, met: Met, reason: str) -> None:
        self._goodbye = reason
        kill(met.channel.pid)
        met.channel.close()  # what it may still say comes too late


def _thread(target: Callable[..., None], name: str, *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
    thread.start()
    return thread
