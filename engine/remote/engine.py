"""A request in, a fill from the server out, by the best way that the server knows."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import replace

from engine.api import (
    Alternative,
    BadRequest,
    Draft,
    EngineError,
    EngineInfo,
    Fill,
    FillRequest,
    IsCancelled,
    ModelMissing,
    OnDraft,
)
from engine.remote import vllm
from engine.remote.chat import Chat
from engine.remote.refusal import TooLong
from engine.remote.runtime import Runtime
from engine.remote.served import Served
from engine.remote.server import Server
from engine.remote.window import SMALLEST_REACH, reach_for, within_reach

log = logging.getLogger("engine.remote")

WHY_CHAT = "the server knows no way to fill a gap"
BETTER = "a vLLM with DiffusionGemma"


def is_address(model: str) -> bool:
    return model.startswith(("http://", "https://"))


def load_remote(address: str) -> RemoteEngine:
    """Asks the server what it serves, and how it can be asked. Raises an EngineError."""
    served = look_at(Server.at(address), address)
    runtime = _recognised(served)
    last = Chat(served, WHY_CHAT, BETTER)
    return RemoteEngine(served, [runtime, last] if runtime is not None else [last])


def look_at(server: Server, address: str) -> Served:
    """The model that the address names, or the first that the server lists."""
    listed = server.ask(f"{server.path}/models").get("data")
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise EngineError(f"{server} is no OpenAI-compatible server: check its address")
    known = {str(each.get("id")): each for each in listed}
    name = server.model or next(iter(known), None)
    if name is None or name not in known:
        raise ModelMissing(
            f"{server} does not serve {name or 'any model'}; it has"
            f" {', '.join(known) or 'none'}: give one as {address.partition('#')[0]}#NAME"
        )
    return Served(server, name, known[name])


def _recognised(served: Served) -> Runtime | None:
    try:
        return vllm.recognises(served)
    except (BadRequest, ModelMissing) as error:
        log.info("%s has a part of a way only: %s", served, error)
        return None


class RemoteEngine:
    """`runtimes`: the ways to ask, best first. One that the server refuses after all is given up
    for the next, until the engine starts anew."""

    def __init__(self, served: Served, runtimes: list[Runtime]) -> None:
        self._served = served
        self._runtimes = runtimes
        self._reach: float | None = None

    @property
    def info(self) -> EngineInfo:
        return EngineInfo(self._served.model, str(self._served))

    def fill(
        self,
        request: FillRequest,
        on_draft: OnDraft | None = None,
        cancelled: IsCancelled | None = None,
        window: str = "",
    ) -> Fill:
        """Holes one after the other, those before it filled."""
        started = time.perf_counter()
        done: list[Fill] = []
        for index in range(request.holes):
            before = "".join(
                text + fill.texts[0] for text, fill in zip(request.texts, done, strict=False)
            )
            part = replace(
                request,
                texts=(before + request.texts[index], "".join(request.texts[index + 1 :])),
                draft=None,
            )

            def show(draft: Draft, index: int = index) -> None:
                if on_draft is not None:
                    filled = tuple(fill.texts[0] for fill in done)
                    rest = ("",) * (request.holes - index - 1)
                    spans = ((),) * index + draft.confidence
                    on_draft(replace(draft, texts=(*filled, *draft.texts, *rest), confidence=spans))

            done.append(self._fill(part, show, cancelled))
        texts = tuple(fill.texts[0] for fill in done)
        return Fill(
            texts=texts,
            confidence=math.prod(fill.confidence for fill in done),
            steps=sum(fill.steps for fill in done),
            canvas_tokens=sum(fill.canvas_tokens for fill in done),
            seconds=time.perf_counter() - started,
            alternatives=done[0].alternatives if len(done) == 1 else (Alternative(texts, 0.0),),
        )

    def _fill(self, request: FillRequest, show: OnDraft, cancelled: IsCancelled | None) -> Fill:
        while True:
            runtime, *others = self._runtimes
            try:
                return self._fill_within_reach(runtime, request, show, cancelled)
            except TooLong:
                raise
            except (BadRequest, ModelMissing) as error:
                if not others:
                    raise
                log.warning(
                    "%s does not know the way %s after all, and is asked by %s: %s",
                    *(self._served, runtime.way.name, others[0].way.name, error),
                )
                self._runtimes = others

    def _fill_within_reach(
        self, runtime: Runtime, request: FillRequest, show: OnDraft, cancelled: IsCancelled | None
    ) -> Fill:
        """What is too long for the server is halved until it fits, which is remembered."""
        reach = self._reach or reach_for(self._served.context_tokens, request.max_tokens)
        while True:
            try:
                return runtime.fill(within_reach(request, reach), show, cancelled)
            except TooLong as error:
                if reach <= SMALLEST_REACH:
                    raise
                reach /= 2
                self._reach = reach
                log.info("%s is shown less of a file: %s", self._served, error)
