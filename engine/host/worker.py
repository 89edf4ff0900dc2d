"""The thread that has the model: it loads it, runs one fill after the other, lets it go when idle.

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
    Engine,
    EngineError,
    EngineInfo,
    Fill,
    FillRequest,
    ModelMissing,
    OnDraft,
    OutOfMemory,
)
from engine.host.schedule import Schedule, Ticket

log = logging.getLogger("engine.host")

# Another program may free the memory that was lacking; trying at every request costs too much.
LOAD_AGAIN_AFTER = 10.0


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
        answer(self._last_info)

    @property
    def running(self) -> Ticket | None:
        return self._schedule.running

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
            outcome = self._outcome(ticket)
            # The ticket ends before its answer goes out, so that a cancel that crosses the answer
            # finds nothing.
            with self._change:
                self._schedule.finish()
            ticket.work.answer(outcome)

    def _next(self) -> tuple[AnswerInfo | None, Ticket | None]:
        idle_since = time.monotonic()
        while True:
            with self._change:
                if self._infos:
                    return self._infos.popleft(), None
                if (ticket := self._schedule.take()) is not None:
                    return None, ticket
                patience = None
                if self._engine is not None and self._unload_after is not None:
                    patience = idle_since + self._unload_after - time.monotonic()
                if patience is None or patience > 0:
                    self._change.wait(patience)
                    continue
            self._unload()

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

    def _outcome(self, ticket: Ticket) -> Fill | EngineError:
        asked: Asked = ticket.work
        if ticket.stop.is_set():  # while the model was loaded
            return ticket.why
        if self._engine is None:
            assert self._failure is not None
            return self._failure
        try:
            fill = self._engine.fill(
                asked.request, asked.on_draft, ticket.stop.is_set, asked.window
            )
        except Cancelled as error:
            return ticket.why if ticket.stop.is_set() else error
        except BaseException as error:
            failure = as_engine_error(error, "filling")
        else:
            self.filled += 1
            return fill
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
