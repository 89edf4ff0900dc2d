"""Servers with a coder model, put on a Team: llama.cpp, Ollama, Mistral, and plain completions.

The model fills the gap of the trial, and writes `WRITTEN` into any other, as long as it is not told
to stop; a chat with it is answered in words. Shapes as the servers' documents have them, and
llama.cpp's and MLX's as real ones (11434, 0.32.2) answered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from engine.remote.trial import TRIAL
from tests.engine.remote.team import Handler, Team, status, stream

CODER = "some/coder"
WRITTEN = ("a +", " b", "\n", "print(1)")
LOGPROB = -0.25


def completes(prefix: str) -> tuple[str, ...]:
    return ("5",) if prefix.endswith(TRIAL.texts[0]) else WRITTEN


def until(pieces: tuple[str, ...], stops: list[str], most: int) -> tuple[list[str], bool]:
    """What is sent, and whether the limit of tokens ended it."""
    sent: list[str] = []
    for piece in pieces:
        if any(stop in piece for stop in stops):
            return sent, False
        if len(sent) == most:
            return sent, True
        sent.append(piece)
    return sent, False


@dataclass
class Completions:
    """/v1/completions over a tokenizer for which each of `tokens` is one token, and every other
    character one. `pattern` finds prefix and suffix in a prompt."""

    team: Team
    tokens: tuple[str, ...]
    pattern: str
    begins: int = 0  # tokens that a prompt gets before it
    fills: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.team.on("/v1/completions", self.complete)
        self.team.chat(stream("in words"))

    def count(self, prompt: str) -> int:
        spelled = re.sub("|".join(map(re.escape, self.tokens)), "#", prompt)
        return self.begins + len(spelled)

    def complete(self, handler: Handler) -> None:
        body = handler.body
        found = re.fullmatch(self.pattern, body["prompt"], re.DOTALL)
        if not body.get("stream"):
            usage = {"prompt_tokens": self.count(body["prompt"]), "completion_tokens": 1}
            handler.json({"choices": [{"text": "?", "finish_reason": "length"}], "usage": usage})
            return
        assert found is not None, body["prompt"]
        self.asked.append((found["prefix"], found["suffix"]))
        pieces = completes(found["prefix"]) if self.fills else ("def ", "x")
        sent, is_cut = until(pieces, body["stop"], body["max_tokens"])
        handler.begin_stream()
        handler.raw(b": keepalive 0/3\n\n")
        for piece in sent:
            choice = {"text": piece, "logprobs": {"token_logprobs": [LOGPROB]}}
            handler.event({"choices": [{**choice, "finish_reason": None}]})
        handler.event({"choices": [{"text": "", "finish_reason": "length" if is_cut else "stop"}]})
        handler.raw(b"data: [DONE]\n\n")


def llama_cpp(team: Team, fill_tokens: bool = True) -> None:
    team.models[:] = [{"id": CODER, "owned_by": "llamacpp", "meta": {"n_ctx": 8192}}]
    team.on("/props", lambda handler: handler.json({"default_generation_settings": {}}))
    team.on("/tokenize", lambda handler: handler.json({"tokens": []}))
    team.chat(stream("in words"))

    def infill(handler: Handler) -> None:
        body = handler.body
        sent, is_cut = until(completes(body["input_prefix"]), body["stop"], body["n_predict"])
        handler.begin_stream()
        for piece in sent:
            entry = {"id": 1, "token": piece, "bytes": [], "logprob": LOGPROB, "top_logprobs": []}
            handler.event({"content": piece, "stop": False, "completion_probabilities": [entry]})
        handler.event({"content": "", "stop": True, "stop_type": "limit" if is_cut else "word"})

    refusal = status(501, "Infill is not supported by this model: prefix token is missing.")
    team.on("/infill", infill if fill_tokens else refusal)


def ollama(team: Team, capabilities: tuple[str, ...] = ("completion", "insert")) -> None:
    name = "qwen2.5-coder:latest"
    team.models[:] = [{"id": name, "object": "model", "owned_by": "library"}]
    team.on("/api/version", lambda handler: handler.json({"version": "0.31.0"}))
    team.on("/api/show", lambda handler: handler.json({"capabilities": capabilities}))
    loaded = {"model": name, "name": name, "context_length": 2048}
    team.on("/api/ps", lambda handler: handler.json({"models": [loaded]}))
    team.chat(stream("in words"))

    def generate(handler: Handler) -> None:
        body = handler.body
        assert body["suffix"]  # without one it is a chat
        options: dict[str, Any] = body["options"]
        sent, is_cut = until(completes(body["prompt"]), options["stop"], options["num_predict"])
        handler.begin_stream("application/x-ndjson")
        for piece in sent:
            logprobs = [{"token": piece, "logprob": LOGPROB}]
            handler.line({"model": name, "response": piece, "done": False, "logprobs": logprobs})
        reason = "length" if is_cut else "stop"
        handler.line({"model": name, "response": "", "done": True, "done_reason": reason})

    team.on("/api/generate", generate)


def mistral(team: Team) -> None:
    team.models[:] = [
        {"id": "chatty", "owned_by": "mistralai", "capabilities": {"completion_fim": False}},
        {"id": "codestral", "owned_by": "mistralai", "capabilities": {"completion_fim": True}},
    ]
    team.chat(stream("in words"))

    def fill(handler: Handler) -> None:
        body = handler.body
        sent, is_cut = until(completes(body["prompt"]), body["stop"], body["max_tokens"])
        handler.begin_stream()
        for piece in sent:
            handler.say(piece)
        handler.say("", "length" if is_cut else "stop")
        handler.raw(b"data: [DONE]\n\n")

    team.on("/v1/fim/completions", fill)
