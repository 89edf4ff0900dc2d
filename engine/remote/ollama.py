"""Ollama: /api/generate with a `suffix`, for a model whose template has a place for one.

/api/show says so: `insert` among its capabilities. Texts beyond the context that the model was
loaded with are cut off at their beginning without a word, so its length is asked for.
"""

from __future__ import annotations

from typing import Any

from engine.api import EngineError, FillRequest, IsCancelled, OnDraft
from engine.remote.runtime import Way
from engine.remote.served import Served
from engine.remote.shape import stop_sequences
from engine.remote.trial import fills_gaps
from engine.remote.writing import Piece, Pieces, Written, logprob_of, write

BETTER = "a diffusion model sees both sides at once: DiffusionGemma on vLLM"
CONTEXT = 4096  # tokens, where the server does not tell: its smallest default


def is_one(served: Served) -> bool:
    """Whether the server is an Ollama, which alone has a version here."""
    return "version" in (served.look(f"{served.root}/api/version") or {})


def recognises(served: Served) -> Generate | str | None:
    if not is_one(served):
        return None
    served.card["max_context_length"] = _loaded_context(served) or CONTEXT
    shown = served.look(f"{served.root}/api/show", {"model": served.model}) or {}
    if "insert" not in (shown.get("capabilities") or ()):
        return "Ollama says that this model does not insert"
    found = Generate(served, "Ollama says that this model inserts")
    if not fills_gaps(found.fill):
        return "Ollama says that this model inserts, and it fills no gap"
    served.card["max_context_length"] = _loaded_context(served) or CONTEXT  # it is loaded now
    return found


class Generate:
    def __init__(self, served: Served, why: str) -> None:
        self._served = served
        self.way = Way("fill-in-the-middle (/api/generate)", why, BETTER)

    def fill(
        self, request: FillRequest, show: OnDraft, cancelled: IsCancelled | None = None
    ) -> Written:
        prefix, suffix = request.texts
        context = "".join(f"{each.text.strip()}\n\n" for each in request.context)
        body = {
            "model": self._served.model,
            "prompt": (context + prefix) or "\n",  # with an empty one the model is only loaded
            "suffix": suffix or "\n",  # with an empty one it is a chat
            "logprobs": True,
            "options": {
                "num_predict": request.max_tokens,
                "temperature": 0,
                "seed": request.seed,
                "stop": stop_sequences(request),
            },
        }
        return write(self._pieces(body, cancelled), request, show)

    def _pieces(self, body: dict[str, Any], cancelled: IsCancelled | None) -> Pieces:
        for event in self._served.stream(f"{self._served.root}/api/generate", body, cancelled):
            is_last = event.get("done") is True
            text = event.get("response")
            yield Piece(
                text if isinstance(text, str) else "",
                logprob_of(event.get("logprobs")),
                is_last and event.get("done_reason") == "length",
            )
            if is_last:
                return
        raise EngineError(f"{self._served} broke off in the middle of its answer: try again")


def _loaded_context(served: Served) -> int | None:
    """In tokens, of the model as it is loaded now."""
    loaded = (served.look(f"{served.root}/api/ps") or {}).get("models")
    for each in loaded if isinstance(loaded, list) else ():
        if isinstance(each, dict) and served.model in (each.get("model"), each.get("name")):
            length = each.get("context_length")
            return length if type(length) is int and length > 0 else None
    return None
