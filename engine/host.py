"""The process that owns the model: `python -m engine.host --model NAME-or-folder`.

It reads JSON-RPC requests from stdin, one object a line, and answers on stdout (`engine.wire`):

    fill      a FillRequest's fields, and optionally `drafts: true`; answered with a Fill, after
              `draft` notifications {id, draft} where they were asked for
    cancel    a notification {id}: a waiting fill is answered Cancelled at once, a running one
              before its next step
    info      answered once the model is loaded
    shutdown  answered, then the process ends

Two threads. The reader takes messages in and never waits for the model; the worker loads the model
and then runs one fill after the other. So a cancel is seen between two steps of the fill it is
for. The process ends when its stdin closes, whatever the worker is doing: no orphan can keep a
graphics card.

Nothing but protocol reaches stdout: the file descriptor is moved away before any library is
imported, and prints go to stderr.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from engine import wire
from engine.api import (
    Cancelled,
    Draft,
    Engine,
    EngineError,
    FillRequest,
    ModelMissing,
    OutOfMemory,
)
from engine.streams import claim_standard_streams

log = logging.getLogger("engine.host")


def main(argv: list[str] | None = None) -> None:
    arguments = _parser().parse_args(argv)
    reading, writing = claim_standard_streams()
    requests, answers = os.fdopen(reading, "rb"), os.fdopen(writing, "wb")
    # ctrl-c in a terminal reaches the whole group; our end is the end of stdin.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)

    def send(message: wire.Message) -> None:
        try:
            answers.write(wire.encode_line(message))
            answers.flush()
        except OSError:
            os._exit(0)  # the caller has gone

    host = Host(lambda: load(arguments.model, arguments.device, arguments.factory), send)
    host.start()
    serve(host, requests)
    # The worker may be in the middle of a step; nothing it holds needs an orderly end.
    os._exit(0)


def load(model: str, device: str | None, factory: str | None) -> Engine:
    """The engine to serve. `factory` is "module:function" and replaces the real one in tests."""
    if factory is None:
        from engine.infill import load_engine

        return load_engine(model, device)
    module, _, function = factory.partition(":")
    engine: Engine = getattr(importlib.import_module(module), function)(model, device)
    return engine


def serve(host: Host, lines: Iterable[bytes]) -> None:
    """Hand each line to `host` until they end or a shutdown is asked for."""
    for line in lines:
        if not line.strip():
            continue
        try:
            message = wire.decode_line(line)
        except ValueError as error:
            log.error("a line that is no message was dropped: %s", error)
            host.send({"id": None, "error": {"code": wire.PARSE_ERROR, "message": str(error)}})
            continue
        if not host.handle(message):
            return


@dataclass(slots=True)
class Waiting:
    """A request the worker has yet to answer. `request` is None for `info`."""

    id: Any
    request: FillRequest | None
    drafts: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)


class Host:
    """Serves one engine to one caller, whatever carries the messages.

    `load` runs on the worker thread, as every fill does: CUDA graphs and compiled code stay with
    the thread that made them. `send` is called under a lock.
    """

    def __init__(self, load: Callable[[], Engine], send: Callable[[wire.Message], None]) -> None:
        self._load = load
        self._send = send
        self._sending = threading.Lock()
        self._engine: Engine | None = None
        self._load_failure: EngineError | None = None
        self._change = threading.Condition()
        self._queue: deque[Waiting] = deque()
        self._running: Waiting | None = None

    def start(self) -> None:
        threading.Thread(target=self._work, name="engine-worker", daemon=True).start()

    def send(self, message: wire.Message) -> None:
        with self._sending:
            self._send(message)

    def handle(self, message: wire.Message) -> bool:
        """Take one message in, from the reader. False once the process should end."""
        method, id, params = message.get("method"), message.get("id"), message.get("params") or {}
        match method:
            case "fill":
                self._take_fill(id, params)
            case "cancel":
                self._cancel(params.get("id"))
            case "info":
                self._take_info(id)
            case "shutdown":
                self.send({"id": id, "result": None})
                return False
            case _ if id is not None:
                problem = {"code": wire.METHOD_NOT_FOUND, "message": f"no method {method!r}"}
                self.send({"id": id, "error": problem})
        return True

    def _take_fill(self, id: Any, params: wire.Message) -> None:
        try:
            drafts = bool(params.pop("drafts", False))
            waiting = Waiting(id, wire.request_from_json(params), drafts)
        except EngineError as error:
            self._fail(id, error)
            return
        self._enqueue(waiting)

    def _take_info(self, id: Any) -> None:
        if self._engine is None:
            self._enqueue(Waiting(id, None))
        else:
            self._answer_info(id, self._engine)

    def _enqueue(self, waiting: Waiting) -> None:
        with self._change:
            self._queue.append(waiting)
            self._change.notify()

    def _cancel(self, id: Any) -> None:
        with self._change:
            if self._running is not None and self._running.id == id:
                self._running.cancelled.set()
                return
            waiting = next((each for each in self._queue if each.id == id), None)
            if waiting is None:
                return  # answered already: the two messages crossed
            self._queue.remove(waiting)
        self._fail(id, Cancelled("cancelled before it began"))

    def _work(self) -> None:
        self._try_to_load()
        while True:
            with self._change:
                while not self._queue:
                    self._change.wait()
                waiting = self._running = self._queue.popleft()
            # The model's files may have come since; any other failure would only cost time again.
            if isinstance(self._load_failure, ModelMissing):
                self._try_to_load()
            # The running job ends before its answer goes out, so that a cancel that crosses the
            # answer finds nothing.
            answer = self._answer(waiting)
            with self._change:
                self._running = None
            self.send({"id": waiting.id, **answer})

    def _try_to_load(self) -> None:
        try:
            self._engine = self._load()
            self._load_failure = None
        except BaseException as error:
            self._load_failure = as_engine_error(error, "loading the model")

    def _answer(self, waiting: Waiting) -> wire.Message:
        if self._engine is None:
            assert self._load_failure is not None
            return {"error": wire.error_to_json(self._load_failure)}
        if waiting.request is None:
            return {"result": _info(self._engine)}

        def on_draft(draft: Draft) -> None:
            params = {"id": waiting.id, "draft": wire.draft_to_json(draft)}
            self.send({"method": "draft", "params": params})

        try:
            fill = self._engine.fill(
                waiting.request, on_draft if waiting.drafts else None, waiting.cancelled.is_set
            )
            return {"result": wire.fill_to_json(fill)}
        except BaseException as error:
            return {"error": wire.error_to_json(as_engine_error(error, "filling"))}

    def _answer_info(self, id: Any, engine: Engine) -> None:
        self.send({"id": id, "result": _info(engine)})

    def _fail(self, id: Any, error: EngineError) -> None:
        self.send({"id": id, "error": wire.error_to_json(error)})


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
        isinstance(error, MemoryError)
        or "OutOfMemoryError" in names
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
    )


def _info(engine: Engine) -> wire.Message:
    return {"model": engine.info.model, "device": engine.info.device}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.host", description=__doc__)
    parser.add_argument("--model", default="embedded", help="a model's name or folder")
    parser.add_argument("--device", help="cpu, cuda, ...; the best one at hand without it")
    parser.add_argument("--factory", help="module:function that makes another engine (tests)")
    return parser


if __name__ == "__main__":
    main()
