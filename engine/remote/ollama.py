"""Ollama: /api/generate with a `suffix`, for a model whose template has a place for one.

/api/show says so: `insert` among its capabilities. Texts beyond the context that the model was
loaded with are cut off at their beginning without a word, so its length is asked for.
"""

from __future__ import annotations

from engine.api import FillRequest, IsCancelled, OnDraft
from engine.remote.runtime import Way
from engine.remote.served import Served
from engine.remote.shape import stop_sequences
from engine.remote.trial import fills_gaps
from engine.remote.writing import (
    Event,
    Piece,
    Written,
    context_before,
    logprob_of,
    pieces_of,
    write,
)

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
    constrains = False  # Ollama's `format` is for JSON that is the whole of an answer

    def __init__(self, served: Served, why: str) -> None:
        self._served = served
        self.way = Way("fill-in-the-middle (/api/generate)", why, BETTER)

    def fill(
        self, request: FillRequest, show: OnDraft, cancelled: IsCancelled | None = None
    ) -> Written:
        prefix, suffix = request.texts
        body = {
            "model": self._served.model,
            # With an empty one the model is only loaded.
            "prompt": (context_before(request) + prefix) or "\n",
            "suffix": suffix or "\n",  # with an empty one it is a chat
            "logprobs": True,
            "options": {
                "num_predict": request.max_tokens,
                "temperature": 0,
                "seed": request.seed,
                "stop": stop_sequences(request),
            },
        }
        events = self._served.stream(f"{self._served.root}/api/generate", body, cancelled)
        return write(pieces_of(events, _piece, _is_last, self._served), request, show)


def _piece(event: Event) -> Piece:
    text = event.get("response")
    return Piece(
        text if isinstance(text, str) else "",
        logprob_of(event.get("logprobs")),
        _is_last(event) and event.get("done_reason") == "length",
    )


def _is_last(event: Event) -> bool:
    return event.get("done") is True


def _loaded_context(served: Served) -> int | None:
    """In tokens, of the model as it is loaded now."""
    loaded = (served.look(f"{served.root}/api/ps") or {}).get("models")
    for each in loaded if isinstance(loaded, list) else ():
        if isinstance(each, dict) and served.model in (each.get("model"), each.get("name")):
            length = each.get("context_length")
            return length if type(length) is int and length > 0 else None
    return None
