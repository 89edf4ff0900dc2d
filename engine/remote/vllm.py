"""vLLM with DiffusionGemma: the text on both sides of the hole is pinned on the canvas.

Through per-request options (`vllm_xargs`, vLLM pull request 57250):

    diffusion_canvas_length  positions of the canvas, at most those the server was started with
    diffusion_seed_canvas    as many ids, which the canvas begins with; noise where the hole is
    diffusion_pinned         the positions that are put back at every step
    diffusion_max_steps      denoising steps at most
    diffusion_read_only      1: the canvas is read as it is; an end of text in it ends nothing, and
                             the pass that would commit it is left out

The hole's length is fixed by the canvas, so several are tried at once, and the likeliest wins.

What the server is, its own refusals say: a canvas that holds an impossible id is refused with the
size of the vocabulary, one with an impossible pin with the length of the served canvas. Neither
costs it any work. `seed` and every `temperature` but 1 are refused for diffusion models, so neither
is sent, and the noise that we draw does not decide the fill alone: the server renoises at random.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from engine.api import (
    Alternative,
    BadRequest,
    Draft,
    Fill,
    FillRequest,
    IsCancelled,
    OnDraft,
    Shape,
    Span,
)
from engine.constraint import written
from engine.remote.chat import GAP, TASK, chat
from engine.remote.runtime import Way
from engine.remote.served import Served
from engine.remote.writing import Written, probability_of_lines

LINE_LENGTHS = (4, 8, 16)
BLOCK_LENGTHS = (16, 32, 64)
HEAD, TAIL = 32, 24  # tokens pinned on either side of the hole
ON_CANVAS = (
    f"{TASK} Answer with the file's text from the line of {GAP} on, the missing text in its place,"
    " without a fence and without a word more."
)
# No id of any vocabulary, and a number that the server's transport still takes.
IMPOSSIBLE_ID = 1_000_000_000
# Gemma's control tokens. The first two are what a tokenizer of this family has in any case.
ENDS = ("<eos>", "<pad>", "<turn|>", "<|tool_response>")
CONTROLS = (*ENDS, "<bos>", "<unk>", "<mask>", "<|turn>", "<|channel>", "<channel|>")
_BEFORE_THE_REST_OF_A_NAME = re.compile(
    "|".join(f"(?<={re.escape(name[0])})(?={re.escape(name[1:])})" for name in CONTROLS)
)
SURPLUS = ("seed", "temperature")


@dataclass(frozen=True, slots=True)
class Canvas:
    """What the server reported: ids are below `vocabulary`, `length` is the longest canvas
    (None where it does not say), `ends` and `controls` are special tokens."""

    vocabulary: int
    length: int | None
    ends: frozenset[int]
    controls: frozenset[int]


@dataclass(frozen=True, slots=True)
class Candidate:
    text: str
    logprobs: tuple[float, ...]  # of the tokens up to the end of the text, and of the end itself
    length: int

    @property
    def mean(self) -> float:
        return sum(self.logprobs) / max(1, len(self.logprobs))

    @property
    def confidence(self) -> float:
        return probability_of_lines(self.text, self.logprobs) or 0.0


def recognises(served: Served) -> PinnedCanvas | str | None:
    if served.card.get("owned_by") != "vllm":
        return None
    vocabulary = _number_refused(
        served, {"diffusion_seed_canvas": [IMPOSSIBLE_ID]}, r"ids must be in \[0, (\d+)\)"
    )
    if vocabulary is None:
        return "this vLLM knows no canvas for its model"
    served.refused.update(SURPLUS)  # on every path, the chat's too
    length = _number_refused(
        served,
        {"diffusion_seed_canvas": [0], "diffusion_pinned": [-1]},
        r"must hold exactly (\d+) ids",
    )
    ids = {name: _tokens(served, name) for name in CONTROLS}
    if any(len(ids[name]) != 1 for name in ENDS[:2]):
        return "this vLLM serves a diffusion model of a family whose noise we do not know"
    single = {name: found[0] for name, found in ids.items() if len(found) == 1}
    ends = frozenset(single[name] for name in ENDS if name in single)
    return PinnedCanvas(served, Canvas(vocabulary, length, ends, frozenset(single.values())))


class PinnedCanvas:
    constrains = False  # vLLM constrains what is written from left to right

    def __init__(self, served: Served, canvas: Canvas) -> None:
        self._served = served
        self._canvas = canvas
        longest = f" of up to {canvas.length} positions" if canvas.length else ""
        self.way = Way("pinned canvas", f"this vLLM serves a diffusion model, on canvases{longest}")

    def fill(
        self, request: FillRequest, show: OnDraft, cancelled: IsCancelled | None = None
    ) -> Written:
        prefix, suffix = request.texts
        head = _tokens_of_text(self._served, prefix.rpartition("\n")[2], cancelled)
        tail = _tokens_of_text(self._served, suffix[: 8 * TAIL], cancelled)
        lengths = self._lengths(request)

        def read(length: int) -> Candidate:
            return self._read(request, *self._cut(head, length, tail), cancelled)

        with ThreadPoolExecutor(len(lengths)) as pool:
            found = sorted(pool.map(read, lengths), key=lambda each: each.mean, reverse=True)
        best = found[0]
        show(Draft((best.text,), 1, 1, ((Span(0, len(best.text), best.confidence),),)))
        fill = Fill(
            texts=(best.text,),
            confidence=best.confidence,
            steps=request.steps or 1,
            canvas_tokens=sum(HEAD + each.length + TAIL for each in found),
            seconds=0.0,
            alternatives=tuple(
                Alternative((each.text,), each.mean, each.confidence) for each in found
            ),
        )
        return Written(fill, is_confidence_known=True)

    def _lengths(self, request: FillRequest) -> list[int]:
        lengths = BLOCK_LENGTHS if request.shape is Shape.BLOCK else LINE_LENGTHS
        longest = min(request.max_tokens, self._canvas.length or request.max_tokens)
        allowed = [n for n in lengths if n <= longest] or [longest]
        return allowed if request.candidates is None else allowed[-request.candidates :]

    def _cut(
        self, head: list[int], length: int, tail: list[int]
    ) -> tuple[list[int], int, list[int]]:
        """What fits: a served canvas that is short for all of it loses on both sides alike."""
        room = (self._canvas.length or HEAD + length + TAIL) - length
        after = min(TAIL, len(tail), max(room - HEAD, room * TAIL // (HEAD + TAIL)))
        before = min(HEAD, len(head), room - after)
        return head[len(head) - before :], length, tail[:after]

    def _read(
        self,
        request: FillRequest,
        head: list[int],
        length: int,
        tail: list[int],
        cancelled: IsCancelled | None,
    ) -> Candidate:
        draws = random.Random(f"{request.seed} {length}")
        noise = [draws.randrange(self._canvas.vocabulary) for _ in range(length)]
        canvas = [*head, *noise, *tail]
        hole = range(len(head), len(head) + length)
        options: dict[str, Any] = {
            "diffusion_canvas_length": len(canvas),
            "diffusion_seed_canvas": canvas,
            "diffusion_pinned": [at for at in range(len(canvas)) if at not in hole],
            "diffusion_read_only": 1,
        }
        if request.steps is not None:
            options["diffusion_max_steps"] = request.steps
        answer = self._served.ask(
            f"{self._served.path}/chat/completions",
            {
                **chat(self._served.model, request, ON_CANVAS),
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
            logprobs = [float(each["logprob"]) for each in here]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise BadRequest(f"its answer has no tokens ({error!r})") from error
        end = next((at for at, id in enumerate(ids) if id in self._canvas.ends), length)
        kept = [id for id in ids[:end] if id not in self._canvas.controls]
        return Candidate(self._text(kept, cancelled), tuple(logprobs[: end + 1]), length)

    def _text(self, ids: Sequence[int], cancelled: IsCancelled | None) -> str:
        if not ids:
            return ""
        body = {"model": self._served.model, "tokens": list(ids)}
        answer = self._served.ask(f"{self._served.root}/detokenize", body, cancelled)
        text = answer.get("prompt")
        if not isinstance(text, str):
            raise BadRequest("it does not detokenize")
        return text


def structured_outputs(request: FillRequest) -> dict[str, Any]:
    """The parameter that keeps a completion to the constraint of the one hole, if it has one; as
    vLLM takes it since 0.12."""
    (constraint,) = request.constraints
    if constraint is None:
        return {}
    if constraint.choices:
        return {"structured_outputs": {"choice": list(constraint.choices)}}
    return {"structured_outputs": {"grammar": written(constraint)}}


def _tokens_of_text(served: Served, text: str, cancelled: IsCancelled | None) -> list[int]:
    """A server reads the name of a special token as that token: in a text it is taken apart."""
    pieces = _BEFORE_THE_REST_OF_A_NAME.split(text)
    return [id for piece in pieces for id in _tokens(served, piece, cancelled)]


def _tokens(served: Served, text: str, cancelled: IsCancelled | None = None) -> list[int]:
    if not text:
        return []
    body = {"model": served.model, "prompt": text, "add_special_tokens": False}
    tokens = served.ask(f"{served.root}/tokenize", body, cancelled).get("tokens")
    if not isinstance(tokens, list) or not all(isinstance(each, int) for each in tokens):
        raise BadRequest("it does not tokenize")
    return tokens


def _number_refused(served: Served, options: dict[str, Any], pattern: str) -> int | None:
    """The number in the refusal of a canvas that is impossible; None for a server that takes it:
    it knows no canvas, and gives the one token that it is asked for."""
    body = {
        "model": served.model,
        "messages": [{"role": "user", "content": "."}],
        "max_tokens": 1,
        "vllm_xargs": options,
    }
    try:
        served.ask(f"{served.path}/chat/completions", body)
    except BadRequest as error:
        number = re.search(pattern, str(error))
        return int(number[1]) if number else None
    return None
