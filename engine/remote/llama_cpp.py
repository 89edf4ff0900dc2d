"""llama.cpp's server: /infill lays out the prompt with the fill tokens that the model file names.

Other files go along as `input_extra`, which the server puts before with the model's repository
tokens where it has some. A model without fill tokens is answered 501.
"""

from __future__ import annotations

from typing import Any

from engine.api import (
    BadRequest,
    EngineError,
    FillRequest,
    IsCancelled,
    ModelMissing,
    OnDraft,
)
from engine.remote.runtime import Way
from engine.remote.served import Served
from engine.remote.shape import stop_sequences
from engine.remote.trial import fills_gaps
from engine.remote.window import name_of
from engine.remote.writing import Piece, Pieces, Written, logprob_of, write

BETTER = "a diffusion model sees both sides at once: DiffusionGemma on vLLM"


def is_one(served: Served) -> bool:
    """Whether the server is llama.cpp's, by what it says of itself."""
    if served.card.get("owned_by") == "llamacpp":
        return True
    return "default_generation_settings" in (served.look(f"{served.root}/props") or {})


def recognises(served: Served) -> Infill | str | None:
    if not is_one(served):
        return None
    found = Infill(served, "this llama.cpp server has a model that fills gaps")
    try:
        return found if fills_gaps(found.fill) else "its model has fill tokens and fills no gap"
    except (BadRequest, ModelMissing) as error:
        return f"its model has no fill tokens: {error}"


class Infill:
    def __init__(self, served: Served, why: str) -> None:
        self._served = served
        self.way = Way("fill-in-the-middle (/infill)", why, BETTER)

    def fill(
        self, request: FillRequest, show: OnDraft, cancelled: IsCancelled | None = None
    ) -> Written:
        prefix, suffix = request.texts
        body = {
            "model": self._served.model,
            "input_prefix": prefix,
            "input_suffix": suffix,
            "input_extra": [
                {"filename": name_of(each.path) or "snippet", "text": each.text}
                for each in request.context
            ],
            "prompt": "",
            "n_predict": request.max_tokens,
            "temperature": 0,
            "seed": request.seed,
            "stop": stop_sequences(request),
            "n_probs": 1,
            "cache_prompt": True,
        }
        return write(self._pieces(body, cancelled), request, show)

    def _pieces(self, body: dict[str, Any], cancelled: IsCancelled | None) -> Pieces:
        for event in self._served.stream(f"{self._served.root}/infill", body, cancelled):
            is_last = event.get("stop") is True
            text = event.get("content")
            yield Piece(
                text if isinstance(text, str) else "",
                logprob_of(event.get("completion_probabilities")),
                is_last and event.get("stop_type") == "limit",
            )
            if is_last:
                return
        raise EngineError(f"{self._served} broke off in the middle of its answer: try again")
