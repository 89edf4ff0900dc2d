"""The thread that has the model: it loads it, runs the fills, lets it go when idle.

One fill follows the other, or several share their steps where the engine says that this pays, or
each has a thread of its own where the engine only waits for another machine.

Loading happens here too: CUDA graphs and compiled code stay with the thread that made them.
"""

from __future__ import annotations

import gc
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from engine.api import (
    Cancelled,
    ConcurrentEngine,
    Engine,
    EngineError,
    EngineInfo,
    Fill,
    FillRequest,
    ModelMissing,
    OnDraft,
    OutOfMemory,
    Share,
    SharingEngine,
)
from engine.host.schedule import Schedule, Ticket

log = logging.getLogger("engine.host")

# Another program may free the memory that was lacking; trying at every request costs too much.
LOAD_AGAIN_AFTER = 10.0
SHORTEST_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A ticket's work: what is asked, and where the outcome goes. Called on any thread."""

    request: FillRequest
    window: str
    answer: Callable[[Fill | EngineError], None]
    on_draft: OnDraft | None = None


AnswerInfo = Callable[[EngineInfo | EngineError], None]


class Worker:
    """Methods may be called on any thread and never wait for the model."""

    def __init__(
        self,
        load: Callable[[], Engine],
        unload_after: float | None = None,
        schedule: Schedule | None = None,
    ) -> None:
        self._load = load
        self._unload_after = unload_after
        self._schedule = schedule or Schedule()
        self._change = threading.Condition()
        self._infos: deque[AnswerInfo] = deque()
        self._engine: Engine | None = None
        self._failure: EngineError | None = None
        self._failed_at = 0.0
        self._last_info: EngineInfo | None = None
        self._longest = 0.0  # seconds of a fill since the model was loaded
        self.filled = 0
        self.state = "loading"

    def start(self) -> None:
        threading.Thread(target=self._work, name="engine-worker", daemon=True).start()

    def put(self, ticket: Ticket) -> None:
        with self._change:
            out = self._schedule.put(ticket)
            self._change.notify()
        _answer(out)

    def stop(self, ticket: Ticket) -> None:
        with self._change:
            out = self._schedule.stop(ticket)
        _answer(out)

    def leave(self, window: object) -> None:
        with self._change:
            out = self._schedule.leave(window)
        _answer(out)

    def expire(self) -> None:
        with self._change:
            out = self._schedule.expire(time.monotonic())
        _answer(out)

    def ask_info(self, answer: AnswerInfo) -> None:
        """Answered when the model has been loaded once, or could not be."""
        with self._change:
            if self._last_info is None:
                self._infos.append(answer)
                self._change.notify()
                return
            info = self._info()
        answer(info or self._last_info)

    @property
    def info(self) -> EngineInfo | None:
        """None as long as nothing has been loaded."""
        with self._change:
            return self._info()

    def _info(self) -> EngineInfo | None:
        return self._engine.info if self._engine is not None else self._last_info

    def unload_after(self, seconds: float | None) -> None:
        """Let the model go after so long without a fill; None for never."""
        with self._change:
            self._unload_after = seconds
            self._change.notify()

    def patience(self, longest: float) -> float:
        """Seconds that a fill may take to stop: one step, and so less than a whole fill has taken;
        `longest` as long as none is known, since the first may compile."""
        if self._longest == 0.0:
            return longest
        return min(longest, max(SHORTEST_PATIENCE, 2.0 * self._longest))

    @property
    def running(self) -> tuple[Ticket, ...]:
        with self._change:
            return tuple(self._schedule.running)

    @property
    def waiting(self) -> int:
        return len(self._schedule)

    def _work(self) -> None:
        self._try_to_load()
        while True:
            info, ticket = self._next()
            if self._engine is None and self._may_load_again():
                self._try_to_load()
            if info is not None:
                info(self._last_info or self._failure or EngineError("the model is not loaded"))
            if ticket is None:
                continue
            engine = self._engine
            if isinstance(engine, ConcurrentEngine):
                self._run_beside(engine, ticket)
            elif isinstance(engine, SharingEngine) and engine.room > 1:
                self._run_together(engine, ticket)
            else:
                self._end(ticket, self._outcome(engine, ticket))

    def _next(self) -> tuple[AnswerInfo | None, Ticket | None]:
        idle_since = time.monotonic()
        while True:
            with self._change:
                if self._infos:
                    return self._infos.popleft(), None
                if (ticket := self._take()) is not None:
                    return None, ticket
                patience = None
                if self._schedule.running:
                    idle_since = time.monotonic()
                elif self._engine is not None and self._unload_after is not None:
                    patience = idle_since + self._unload_after - time.monotonic()
                if patience is None or patience > 0:
                    self._change.wait(patience)
                    continue
            self._unload()

    def _take(self) -> Ticket | None:
        """The next ticket, where it may begin now: beside others only of an engine that can."""
        engine = self._engine
        if not isinstance(engine, ConcurrentEngine):
            return None if self._schedule.running else self._schedule.take()
        if len(self._schedule.running) >= engine.at_once:
            return None
        return self._schedule.take(engine.per_window)

    def _may_load_again(self) -> bool:
        """Files may have come since; for the rest some time must pass."""
        return (
            self._failure is None
            or isinstance(self._failure, ModelMissing)
            or time.monotonic() > self._failed_at + LOAD_AGAIN_AFTER
        )

    def _try_to_load(self) -> None:
        self.state = "loading"
        try:
            engine = self._load()
            self._last_info = engine.info
            self._engine, self._failure = engine, None
            self._longest = 0.0
            self.state = "loaded"
        except BaseException as error:
            self._failure = as_engine_error(error, "loading the model")
            self._failed_at = time.monotonic()
            self.state = f"not loaded: {self._failure}"
            free_memory()

    def _unload(self) -> None:
        log.info("idle: the model is unloaded")
        self._engine = None
        self.state = "unloaded"
        free_memory()

    def _outcome(self, engine: Engine | None, ticket: Ticket) -> Fill | BaseException:
        asked: Asked = ticket.work
        if ticket.stop.is_set():  # while the model was loaded
            return ticket.why
        if engine is None:
            assert self._failure is not None
            return self._failure
        try:
            return engine.fill(asked.request, asked.on_draft, ticket.stop.is_set, asked.window)
        except BaseException as error:
            return error

    def _run_beside(self, engine: ConcurrentEngine, ticket: Ticket) -> None:
        """Beside those that run already. Whoever stops it closes its connection."""
        fill = threading.Thread(
            target=lambda: self._end(ticket, self._outcome(engine, ticket)),
            name="fill",
            daemon=True,
        )
        fill.start()

    def _run_together(self, engine: SharingEngine, first: Ticket) -> None:
        """Until none is left that may run beside the others."""
        waiting: list[Ticket] = [first]

        def join() -> Share | None:
            with self._change:
                ticket = waiting.pop() if waiting else self._schedule.take()
            if ticket is None:
                return None
            asked: Asked = ticket.work
            return Share(
                asked.request,
                lambda outcome: self._end(ticket, outcome),
                asked.on_draft,
                ticket.stop.is_set,
                asked.window,
            )

        try:
            engine.fill_together(join)
        except BaseException as error:
            for ticket in self.running:
                self._end(ticket, error)

    def _end(self, ticket: Ticket, outcome: Fill | BaseException) -> None:
        answer = outcome if isinstance(outcome, Fill) else self._failure_of(ticket, outcome)
        # The ticket ends before its answer goes out, so that a cancel that crosses the answer
        # finds nothing.
        with self._change:
            self._schedule.finish(ticket)
            if isinstance(outcome, Fill):
                self.filled += 1
                self._longest = max(self._longest, outcome.seconds)
            self._change.notify()
        ticket.work.answer(answer)

    def _failure_of(self, ticket: Ticket, error: BaseException) -> EngineError:
        if isinstance(error, Cancelled):
            return ticket.why if ticket.stop.is_set() else error
        failure = as_engine_error(error, "filling")
        if isinstance(failure, OutOfMemory):
            free_memory()
        return failure


def _answer(tickets: Iterable[Ticket]) -> None:
    for ticket in tickets:
        ticket.work.answer(ticket.why)


def free_memory() -> None:
    """Give back what nothing refers to any more, on the device too."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def as_engine_error(error: BaseException, doing: str) -> EngineError:
    """`error` as the contract knows it; what the contract does not expect is logged in full."""
    if isinstance(error, EngineError):
        return error
    if is_out_of_memory(error):
        log.warning("out of memory while %s: %s", doing, error)
        return OutOfMemory(
            f"not enough memory for {doing}: close other programs that use the device, or choose"
            " a smaller model"
        )
    log.error("failed while %s", doing, exc_info=error)
    return EngineError(f"{doing} failed: {type(error).__name__}: {error}")


def is_out_of_memory(error: BaseException) -> bool:
    """CUDA, the CPU's allocator and Python each say it in their own way; asked without torch."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return (
        isinstance(error, (MemoryError, OutOfMemory))
        or "OutOfMemoryError" in names
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
    )
