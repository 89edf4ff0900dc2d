"""A request in, a fill from the server out, by the best way that the server knows."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace

from engine.api import (
    Alternative,
    BadRequest,
    CannotConstrain,
    Draft,
    EngineError,
    EngineInfo,
    Fill,
    FillRequest,
    IsCancelled,
    ModelMissing,
    OnDraft,
    Shape,
)
from engine.api import Calibration as Worth
from engine.checkpoints import calibration
from engine.constraint import automaton_of
from engine.remote import fim, llama_cpp, ollama, vllm
from engine.remote.chat import Chat
from engine.remote.families import family_named
from engine.remote.refusal import Failed, TooLong
from engine.remote.runtime import Runtime
from engine.remote.served import Served
from engine.remote.server import Server
from engine.remote.window import SMALLEST_REACH, reach_for, within_reach
from engine.remote.writing import Written

log = logging.getLogger("engine.remote")

RECOGNISERS: tuple[Callable[[Served], Runtime | str | None], ...] = (
    vllm.recognises,
    llama_cpp.recognises,
    ollama.recognises,
    fim.recognises_mistral,
    fim.recognises,
)
BETTER_THAN_CHAT = (
    "a model that fills gaps: DiffusionGemma on vLLM, or a coder model with fill tokens, such as"
    " Qwen2.5-Coder, on any server"
)
FORCED = "you asked for it"


def is_address(model: str) -> bool:
    return model.startswith(("http://", "https://"))


def load_remote(address: str, *, calibrated: bool = True) -> RemoteEngine:
    """Asks the server what it serves, and how it can be asked; a confidence that was fitted to it
    on the user's files is used, unless not `calibrated`. Raises an EngineError."""
    served = look_at(Server.at(address), address)
    wanted = served.server.fill
    ways = _recognised(served) if wanted is None else [_forced(served, wanted)]
    return RemoteEngine(served, ways, calibrated=calibrated)


def look_at(server: Server, address: str) -> Served:
    """The model that the address names, or the first that the server lists. One that lists none
    may load what it is asked for (mlx-vlm, after it was asked for another)."""
    listed = server.ask(f"{server.path}/models").get("data")
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise EngineError(f"{server} is no OpenAI-compatible server: check its address")
    known = {str(each.get("id")): each for each in listed}
    name = server.model or next(iter(known), None)
    if name is not None and name not in known and f"{name}:latest" in known:
        name = f"{name}:latest"  # Ollama's names have a tag
    if name is not None and not known:
        return Served(server, name)
    if name is None or name not in known:
        raise ModelMissing(
            f"{server} does not serve {name or 'any model'}; it has"
            f" {', '.join(known) or 'none'}: give one as {address.partition('#')[0]}#NAME"
        )
    return Served(server, name, known[name])


def _recognised(served: Served) -> list[Runtime]:
    """The best way that the server knows, and a chat, with why it is no better way."""
    why_not: list[str] = []
    for recognises in RECOGNISERS:
        try:
            found = recognises(served)
        except (BadRequest, ModelMissing, Failed) as error:
            found = str(error)
        if isinstance(found, str):
            log.info("%s: %s", served, found)
            why_not.append(found)
        elif found is not None:
            return [found, Chat(served, f"{found.way.name} was refused", BETTER_THAN_CHAT)]
    return [Chat(served, "; ".join(why_not), BETTER_THAN_CHAT)]


def _forced(served: Served, name: str) -> Runtime:
    """The way that the address names. Raises ModelMissing for one that there is not."""
    match name:
        case "canvas":
            found = vllm.recognises(served)
            if isinstance(found, vllm.PinnedCanvas):
                return found
            raise ModelMissing(f"{served} cannot be asked by canvas: {found or 'it is no vLLM'}")
        case "infill":
            return llama_cpp.Infill(served, FORCED)
        case "generate":
            return ollama.Generate(served, FORCED)
        case "mistral":
            return fim.Mistral(served, FORCED)
        case "chat":
            return Chat(served, FORCED, "")
    return fim.FillTokens(served, family_named(name), FORCED)


# Servers batch what comes in at once; each fill is a connection and a thread that waits.
AT_ONCE = 16
PER_WINDOW = 4


class RemoteEngine:
    """Safe on several threads at once. `runtimes`: the ways to ask, best first. One that the server
    refuses after all is given up for the next, until the engine starts anew."""

    at_once = AT_ONCE
    per_window = PER_WINDOW

    def __init__(self, served: Served, runtimes: list[Runtime], *, calibrated: bool = True) -> None:
        self._served = served
        self._runtimes = runtimes
        self._reach: float | None = None
        self._knows_confidence = True
        model, names = f"{served}#{served.model}", calibration.SERVER_FEATURES
        self._calibration = calibration.read(model, "", names) if calibrated else None

    @property
    def info(self) -> EngineInfo:
        way = self._runtimes[0].way
        return EngineInfo(
            model=self._served.model,
            device=str(self._served),
            way=way.name,
            why=way.why,
            better=way.better,
            confidence=self._worth(),
        )

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
                constraint=(request.constraints[index],),
            )

            def show(draft: Draft, index: int = index) -> None:
                if on_draft is not None:
                    filled = tuple(fill.texts[0] for fill in done)
                    rest = ("",) * (request.holes - index - 1)
                    spans = ((),) * index + draft.confidence
                    on_draft(replace(draft, texts=(*filled, *draft.texts, *rest), confidence=spans))

            done.append(self._confident(self.written(part, show, cancelled), part))
        texts = tuple(fill.texts[0] for fill in done)
        confidence = math.prod(fill.confidence for fill in done)
        whole = (Alternative(texts, confidence, confidence),)
        return Fill(
            texts=texts,
            confidence=confidence,
            steps=sum(fill.steps for fill in done),
            canvas_tokens=sum(fill.canvas_tokens for fill in done),
            seconds=time.perf_counter() - started,
            alternatives=done[0].alternatives if len(done) == 1 else whole,
        )

    def written(
        self,
        request: FillRequest,
        show: OnDraft = lambda draft: None,
        cancelled: IsCancelled | None = None,
    ) -> Written:
        """A fill of one hole as the server gives it: its confidence is the probability of a line.

        A way is given up when the next one is taken: a server that refuses both may have lost its
        model for a while.
        """
        if request.constraints != (None,):
            return self._written_constrained(request, show, cancelled)
        runtimes = self._runtimes
        for at, runtime in enumerate(runtimes):
            try:
                written = self._written_within_reach(runtime, request, show, cancelled)
            except TooLong:
                raise
            except (BadRequest, ModelMissing) as error:
                if runtime is runtimes[-1]:
                    raise
                log.warning("%s refuses the way %s: %s", self._served, runtime.way.name, error)
            else:
                self._runtimes = runtimes[at:]
                self._knows_confidence = written.is_confidence_known
                return written
        raise AssertionError("there is always a way")

    def _written_constrained(
        self, request: FillRequest, show: OnDraft, cancelled: IsCancelled | None
    ) -> Written:
        """By the first way that knows how; what it answers is looked at, because a server may not
        know a parameter and say nothing. Raises CannotConstrain where there is none."""
        (constraint,) = request.constraints
        assert constraint is not None
        allowed = automaton_of(constraint)
        runtime = next((each for each in self._runtimes if each.constrains), None)
        if runtime is None:
            raise CannotConstrain(
                f"{self._served} is asked by {self._runtimes[0].way.name}, which cannot keep a fill"
                " to a constraint: take a model that runs here, or a coder model with fill tokens"
                " behind llama.cpp or vLLM"
            )
        written = self._written_within_reach(runtime, request, show, cancelled)
        if not allowed.accepts(written.fill.texts[0]):
            raise EngineError(
                f"{self._served} answered what the constraint does not allow: raise max_tokens, or"
                " take a newer server"
            )
        self._knows_confidence = written.is_confidence_known
        return written

    def _written_within_reach(
        self, runtime: Runtime, request: FillRequest, show: OnDraft, cancelled: IsCancelled | None
    ) -> Written:
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

    def _worth(self) -> Worth:
        if not self._knows_confidence:
            return "unknown"
        return "not calibrated" if self._calibration is None else "calibrated"

    def _confident(self, written: Written, request: FillRequest) -> Fill:
        """With confidences as they were fitted to this server on the user's files."""
        fill, fitted = written.fill, self._calibration
        if fitted is None or not written.is_confidence_known:
            return fill

        def of(probability: float) -> float:
            is_block = request.shape is Shape.BLOCK
            return fitted.confidence(calibration.server_features(probability, is_block=is_block))

        return replace(
            fill,
            confidence=of(fill.confidence),
            alternatives=tuple(
                replace(each, confidence=of(each.confidence)) for each in fill.alternatives
            ),
        )
