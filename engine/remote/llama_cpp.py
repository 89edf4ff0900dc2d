"""llama.cpp's server: /infill lays out the prompt with the fill tokens that the model file names.

Other files go along as `input_extra`, which the server puts before with the model's repository
tokens where it has some. A model without fill tokens is answered 501.
"""

from __future__ import annotations

from engine.api import (
    BadRequest,
    FillRequest,
    IsCancelled,
    ModelMissing,
    OnDraft,
)
from engine.constraint import written
from engine.remote.runtime import Way
from engine.remote.served import Served
from engine.remote.shape import stop_sequences
from engine.remote.trial import fills_gaps
from engine.remote.window import name_of
from engine.remote.writing import Event, Piece, Written, logprob_of, pieces_of, write

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
    constrains = True

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
            **grammar(request),
        }
        events = self._served.stream(f"{self._served.root}/infill", body, cancelled)
        return write(pieces_of(events, _piece, _is_last, self._served), request, show)


def grammar(request: FillRequest) -> dict[str, str]:
    """The parameter that keeps an answer to the constraint of the one hole, if it has one."""
    (constraint,) = request.constraints
    return {} if constraint is None else {"grammar": written(constraint)}


def _piece(event: Event) -> Piece:
    text = event.get("content")
    return Piece(
        text if isinstance(text, str) else "",
        logprob_of(event.get("completion_probabilities")),
        _is_last(event) and event.get("stop_type") == "limit",
    )


def _is_last(event: Event) -> bool:
    return event.get("stop") is True
