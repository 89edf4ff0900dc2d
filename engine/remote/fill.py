"""A request in, a fill from the server out.

Where the server is a vLLM that serves a diffusion model, both sides of the hole are pinned on the
canvas through its per-request options (`vllm_xargs`, vLLM pull request 57250):

    diffusion_canvas_length  positions of the canvas, at most those the server was started with
    diffusion_seed_canvas    as many ids, which the canvas begins with; noise where the hole is
    diffusion_pinned         the positions that are put back at every step
    diffusion_max_steps      denoising steps at most

The hole's length is fixed by the canvas, so several are tried at once, and the surest wins. Any
other server, and a vLLM that refuses these options, gets a chat prompt that asks for the text.
"""

from __future__ import annotations

import logging
import math
import random
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

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
    Shape,
    Span,
)
from engine.remote.server import Server

log = logging.getLogger("engine.remote")

VOCABULARY = 262_144  # of Gemma's tokenizer: what noise is drawn from
LINE_LENGTHS = (4, 8, 16)
BLOCK_LENGTHS = (16, 32, 64)
HEAD, TAIL = 32, 24  # tokens pinned on either side of the hole
BEFORE, AFTER = 12_000, 4_000  # characters of the prompt
GAP = "<|gap|>"
TASK = f"You complete source code. The user shows a file in which {GAP} stands for missing text."
IN_WORDS = (
    f"{TASK} Answer with exactly the text that belongs there, in one fenced code block, with its"
    " indentation, without repeating what stands before or after it, and without a word more."
)
ON_CANVAS = (
    f"{TASK} Answer with the file's text from the line of {GAP} on, the missing text in its place,"
    " without a fence and without a word more."
)
FENCE = re.compile(r"```[^\n`]*\n(.*?)(?:\n?```|\Z)", re.DOTALL)


def is_address(model: str) -> bool:
    return model.startswith(("http://", "https://"))


def load_remote(address: str) -> RemoteEngine:
    """Asks the server what it serves. Raises an EngineError."""
    server = Server.at(address)
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
    pins = known[name].get("owned_by") == "vllm" and "diffusion" in name.lower()
    return RemoteEngine(server, name, pins)


@dataclass(frozen=True, slots=True)
class Candidate:
    text: str
    certainty: float  # mean log-probability of the hole's tokens
    length: int

    @property
    def confidence(self) -> float:
        """The geometric mean of its tokens' probabilities, 0..1."""
        return math.exp(min(0.0, self.certainty))


class RemoteEngine:
    """`pins`: the server may know the diffusion options; the first refusal ends the attempts."""

    def __init__(self, server: Server, model: str, pins: bool) -> None:
        self._server = server
        self._model = model
        self._pins = pins
        self.info = EngineInfo(model, str(server))

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
        confidence = math.prod(fill.confidence for fill in done)
        whole = (Alternative(texts, 0.0, confidence),)
        return Fill(
            texts=texts,
            confidence=confidence,
            steps=sum(fill.steps for fill in done),
            canvas_tokens=sum(fill.canvas_tokens for fill in done),
            seconds=time.perf_counter() - started,
            alternatives=done[0].alternatives if len(done) == 1 else whole,
        )

    def _fill(self, request: FillRequest, show: OnDraft, cancelled: IsCancelled | None) -> Fill:
        if self._pins:
            try:
                return self._fill_pinned(request, show, cancelled)
            except (BadRequest, ModelMissing) as error:
                log.warning(
                    "%s cannot pin a canvas, and is asked in words: %s", self._server, error
                )
                self._pins = False
        return self._fill_by_chat(request, show, cancelled)

    def _fill_pinned(
        self, request: FillRequest, show: OnDraft, cancelled: IsCancelled | None
    ) -> Fill:
        prefix, suffix = request.texts
        head = self._tokens(prefix.rpartition("\n")[2], cancelled)[-HEAD:]
        tail = self._tokens(suffix[: 8 * TAIL], cancelled)[:TAIL]
        lengths = LINE_LENGTHS if request.shape is not Shape.BLOCK else BLOCK_LENGTHS
        allowed = [n for n in lengths if n <= request.max_tokens] or [request.max_tokens]
        if request.candidates is not None:
            allowed = allowed[-request.candidates :]

        def read(length: int) -> Candidate:
            return self._read_canvas(request, head, length, tail, cancelled)

        with ThreadPoolExecutor(len(allowed)) as pool:
            found = sorted(pool.map(read, allowed), key=lambda each: each.certainty, reverse=True)
        best = found[0]
        sure = best.confidence
        show(Draft((best.text,), 1, 1, ((Span(0, len(best.text), sure),),)))
        return Fill(
            texts=(best.text,),
            confidence=sure,
            steps=request.steps or 1,
            canvas_tokens=sum(len(head) + each.length + len(tail) for each in found),
            seconds=0.0,
            alternatives=tuple(
                Alternative((each.text,), each.certainty, each.confidence) for each in found
            ),
        )

    def _read_canvas(
        self,
        request: FillRequest,
        head: list[int],
        length: int,
        tail: list[int],
        cancelled: IsCancelled | None,
    ) -> Candidate:
        draws = random.Random(f"{request.seed} {length}")
        canvas = [*head, *(draws.randrange(VOCABULARY) for _ in range(length)), *tail]
        hole = range(len(head), len(head) + length)
        options: dict[str, Any] = {
            "diffusion_canvas_length": len(canvas),
            "diffusion_seed_canvas": canvas,
            "diffusion_pinned": [at for at in range(len(canvas)) if at not in hole],
        }
        if request.steps is not None:
            options["diffusion_max_steps"] = request.steps
        answer = self._server.ask(
            f"{self._server.path}/chat/completions",
            {
                **self._chat(request, ON_CANVAS),
                "max_tokens": len(canvas),
                "logprobs": True,
                "top_logprobs": 1,
                "return_tokens_as_token_ids": True,
                "chat_template_kwargs": {"enable_thinking": False},
                "vllm_xargs": options,
            },
            cancelled,
        )
        try:
            positions = answer["choices"][0]["logprobs"]["content"]
            here = [positions[at] for at in hole if at < len(positions)]
            ids = [int(str(each["token"]).removeprefix("token_id:")) for each in here]
            certainty = sum(float(each["logprob"]) for each in here) / max(1, len(here))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise BadRequest(f"its answer tells no tokens ({error!r})") from error
        return Candidate(self._text(ids, cancelled), certainty, length)

    def _tokens(self, text: str, cancelled: IsCancelled | None) -> list[int]:
        if not text:
            return []
        body = {"model": self._model, "prompt": text, "add_special_tokens": False}
        tokens = self._server.ask(f"{self._server.root}/tokenize", body, cancelled).get("tokens")
        if not isinstance(tokens, list) or not all(isinstance(each, int) for each in tokens):
            raise BadRequest("it does not tokenize")
        return tokens

    def _text(self, ids: Sequence[int], cancelled: IsCancelled | None) -> str:
        if not ids:
            return ""
        body = {"model": self._model, "tokens": list(ids)}
        text = self._server.ask(f"{self._server.root}/detokenize", body, cancelled).get("prompt")
        if not isinstance(text, str):
            raise BadRequest("it does not detokenize")
        return text

    def _fill_by_chat(
        self, request: FillRequest, show: OnDraft, cancelled: IsCancelled | None
    ) -> Fill:
        body = {
            **self._chat(request, IN_WORDS),
            "max_tokens": request.max_tokens + 32,
            "temperature": 0,
        }
        said, steps, text = "", 0, ""
        for piece in self._pieces(body, cancelled):
            said += piece
            steps += 1
            text = missing_text(said, request)
            show(Draft((text,), steps, steps))
        # A chat says nothing of how sure it is.
        return Fill((text,), 0.5, steps, 0, 0.0, (Alternative((text,), 0.0, 0.5),))

    def _pieces(self, body: dict[str, Any], cancelled: IsCancelled | None) -> Iterator[str]:
        whole = False
        for event in self._server.stream(f"{self._server.path}/chat/completions", body, cancelled):
            try:
                choice = event["choices"][0]
                piece = choice["delta"].get("content")
                whole = whole or choice.get("finish_reason") is not None
            except (KeyError, IndexError, TypeError, AttributeError):
                continue  # such as the usage that some servers send last
            if piece:
                yield str(piece)
        if not whole:
            raise EngineError(f"{self._server} broke off in the middle of its answer: try again")

    def _chat(self, request: FillRequest, system: str) -> dict[str, Any]:
        """Files go by their names: where they are is nobody's business."""
        prefix, suffix = request.texts
        name = f"File: {_name(request.path)}\n" if request.path else ""
        shown = f"{name}```{request.language or ''}\n{prefix[-BEFORE:]}{GAP}{suffix[:AFTER]}\n```"
        context = "".join(
            f"For reference {_name(each.path)}:\n```\n{each.text}\n```\n\n"
            for each in request.context
        )
        if request.shape is Shape.LINE:
            system += " It is the rest of one line."
        return {
            "model": self._model,
            "messages": [
                {"role": "system", "content": system},
                {"role": "user", "content": context + shown},
            ],
            "seed": request.seed,
        }


def _name(path: str | None) -> str:
    return re.split(r"[/\\]", path or "")[-1]


def missing_text(said: str, request: FillRequest) -> str:
    """What a chat means: the fenced block if there is one, without what it repeats."""
    fenced = FENCE.search(said)
    text = fenced[1] if fenced else "" if said.lstrip().startswith("```") else said
    line = request.texts[0].rpartition("\n")[2]
    if line.strip() and text.startswith(line):
        text = text[len(line) :]
    return text.split("\n", 1)[0] if request.shape is Shape.LINE else text
