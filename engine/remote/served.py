"""A model on a server: what is known of it, and requests to it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.api import BadRequest, IsCancelled, ModelMissing
from engine.remote.refusal import Failed, TooLong
from engine.remote.server import Server

log = logging.getLogger("engine.remote")

# What a request may go without. A server that refuses one of these by its name is asked without it.
OPTIONAL = (
    "temperature",
    "seed",
    "random_seed",
    "stop",
    "logprobs",
    "top_logprobs",
    "stream_options",
    "chat_template_kwargs",
    "cache_prompt",
    "n_probs",
    "keep_alive",
    "diffusion_read_only",
)
# What only tells more of an answer. A server that breaks on a request is asked without these.
TELLING = frozenset({"logprobs", "top_logprobs", "n_probs"})


@dataclass(frozen=True, slots=True)
class Served:
    """`card` is the model's entry in the server's list; `refused` the parameters that it does not
    take, which grows; `suspected` those without which it did once what it had broken on."""

    server: Server
    model: str
    card: dict[str, Any] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    suspected: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        return str(self.server)

    @property
    def path(self) -> str:
        return self.server.path

    @property
    def root(self) -> str:
        return self.server.root

    @property
    def context_tokens(self) -> int | None:
        """How many tokens a prompt and its answer may have together, where the server tells."""
        meta = self.card.get("meta")
        length = self.card.get("max_model_len") or self.card.get("max_context_length")
        length = length or (meta.get("n_ctx") if isinstance(meta, dict) else None)
        return length if type(length) is int and length > 0 else None

    def look(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """What `path` answers; None where the server has no such thing. Raises an EngineError for
        a server that does not answer now."""
        try:
            return self.server.ask(path, body)
        except (BadRequest, ModelMissing, Failed) as error:
            log.debug("%s at %s: %s", self, path, error)
            return None

    def ask(
        self, path: str, body: dict[str, Any], cancelled: IsCancelled | None = None
    ) -> dict[str, Any]:
        """As `Server.ask`, without the parameters that it refuses."""
        while True:
            try:
                return self.server.ask(path, self._accepted(body), cancelled)
            except BadRequest as error:
                if not self._learns(error, body):
                    raise

    def stream(
        self, path: str, body: dict[str, Any], cancelled: IsCancelled | None = None
    ) -> Iterator[dict[str, Any]]:
        """As `Server.stream`, without the parameters that it refuses or breaks on."""
        without: frozenset[str] = frozenset()
        began = False
        while True:
            try:
                for event in self.server.stream(path, self._accepted(body, without), cancelled):
                    if not began:
                        self._suspects(without)
                    began = True
                    yield event
                return
            except BadRequest as error:
                if began or not self._learns(error, body):
                    raise
            except Failed as error:
                if began:
                    raise
                without = self._telling(error, body, without)

    def _accepted(
        self, body: dict[str, Any], without: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """`body` and the objects in it, without what is refused."""
        return {
            name: self._accepted(value, without) if isinstance(value, dict) else value
            for name, value in body.items()
            if name not in self.refused and name not in without
        }

    def _telling(
        self, error: Failed, body: dict[str, Any], without: frozenset[str]
    ) -> frozenset[str]:
        """What to ask without next time, where there is something left; or else raises `error`."""
        sent = TELLING & set(_names(self._accepted(body, without)))
        if not sent:
            raise error
        log.info("%s is asked once more without %s: %s", self, ", ".join(sorted(sent)), error)
        return without | sent

    def _suspects(self, without: frozenset[str]) -> None:
        """A server may have broken by chance; twice is none."""
        self.refused.update(without & self.suspected)
        self.suspected.update(without)

    def _learns(self, error: BadRequest, body: dict[str, Any]) -> bool:
        """Whether the refusal names parameters that can be left out the next time."""
        if isinstance(error, TooLong):
            return False
        sent = set(_names(self._accepted(body)))
        named = {
            name
            for name in OPTIONAL
            if name in sent and re.search(rf"(?<!\w){name}(?!\w)", str(error))
        }
        if named:
            log.info("%s is asked without %s: %s", self, ", ".join(sorted(named)), error)
            self.refused.update(named)
        return bool(named)


def _names(body: dict[str, Any]) -> Iterator[str]:
    for name, value in body.items():
        yield name
        if isinstance(value, dict):
            yield from _names(value)
