"""Fill-in-the-middle: a model that was taught it, asked with its family's own tokens.

    /v1/completions      any server that lets a prompt hold special tokens: vLLM, SGLang, MLX, LM
                         Studio, llama.cpp; the prompt is laid out here (families.py)
    /v1/fim/completions  Mistral's own, which lays it out itself

A family is recognised by the server's tokenizer: each of its marks must be one token. The name of
the model only says which family is tried first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.api import BadRequest, FillRequest, IsCancelled, ModelMissing, OnDraft
from engine.remote import llama_cpp, openai, vllm
from engine.remote.families import Family, likely
from engine.remote.refusal import Failed
from engine.remote.runtime import Way
from engine.remote.served import Served
from engine.remote.shape import stop_sequences
from engine.remote.trial import fills_gaps
from engine.remote.writing import Written, context_before, write

# Who serves a model, by the word of the server, and the parameters that keep it to a constraint.
KEEPERS: dict[str, Callable[[FillRequest], dict[str, Any]]] = {
    "vllm": vllm.structured_outputs,
    "llamacpp": llama_cpp.grammar,
}
BETTER = "a diffusion model sees both sides at once: DiffusionGemma on vLLM"


def recognises(served: Served) -> FillTokens | str:
    names = f"{served.model} {served.card.get('root') or ''}"
    why_not = "its tokenizer has no fill tokens that we know"
    failed: set[str] = set()
    for family in likely(names):
        if family.template in failed:
            continue
        try:
            if not _has_tokens(served, family):
                continue
        except (BadRequest, ModelMissing, Failed) as error:
            return f"it completes no text of ours: {error}"
        found = FillTokens(served, family, f"its tokenizer has the fill tokens of {family.name}")
        if fills_gaps(found.fill):
            return found
        failed.add(family.template)
        why_not = f"its tokenizer has the fill tokens of {family.name}, and it fills no gap"
    return why_not


class FillTokens:
    """Fill-in-the-middle with a prompt of our own."""

    def __init__(self, served: Served, family: Family, why: str) -> None:
        self._served = served
        self._family = family
        self._keeps_to = KEEPERS.get(str(served.card.get("owned_by")))
        self.way = Way(f"fill-in-the-middle ({family.name})", why, BETTER)

    @property
    def constrains(self) -> bool:
        return self._keeps_to is not None

    def fill(
        self, request: FillRequest, show: OnDraft, cancelled: IsCancelled | None = None
    ) -> Written:
        body = {
            "model": self._served.model,
            "prompt": self._family.prompt(request),
            "max_tokens": request.max_tokens,
            "temperature": 0,
            "seed": request.seed,
            "stop": [*stop_sequences(request), *self._family.stops],
            "logprobs": 1,
            **(self._keeps_to(request) if self._keeps_to is not None else {}),
        }
        path = f"{self._served.path}/completions"
        return write(openai.pieces(self._served, path, body, cancelled), request, show)


class Mistral:
    constrains = False  # its API has no parameter for it

    def __init__(self, served: Served, why: str) -> None:
        self._served = served
        self.way = Way("fill-in-the-middle (/fim/completions)", why, BETTER)

    def fill(
        self, request: FillRequest, show: OnDraft, cancelled: IsCancelled | None = None
    ) -> Written:
        prefix, suffix = request.texts
        body = {
            "model": self._served.model,
            "prompt": context_before(request) + prefix,
            "suffix": suffix,
            "max_tokens": request.max_tokens,
            "temperature": 0,
            "random_seed": request.seed,
            "stop": stop_sequences(request),
        }
        path = f"{self._served.path}/fim/completions"
        return write(openai.pieces(self._served, path, body, cancelled), request, show)


def recognises_mistral(served: Served) -> Mistral | None:
    """By what Mistral's list of models says that each is capable of."""
    capabilities = served.card.get("capabilities")
    if not isinstance(capabilities, dict) or not capabilities.get("completion_fim"):
        return None
    return Mistral(served, "the server says that this model completes in the middle")


def _has_tokens(served: Served, family: Family) -> bool:
    """Whether its tokens are one each, and not the many of their letters."""
    spelled = family.template.format(prefix="", suffix="")
    spelled += "".join(token for token in family.tokens if token not in spelled)
    most = len(family.tokens) + 1 + spelled.count(" ")  # a text may begin with a token of its own
    count = _count_tokens(served, spelled)
    return count is not None and count <= most


def _count_tokens(served: Served, text: str) -> int | None:
    """By the server's /tokenize, else by the usage that it reports; None where it tells neither.
    Raises BadRequest, ModelMissing or Failed where it does not complete a text."""
    body = {"model": served.model, "prompt": text, "add_special_tokens": False}
    tokens = (served.look(f"{served.root}/tokenize", body) or {}).get("tokens")
    if isinstance(tokens, list) and tokens:
        return len(tokens)
    answer = served.ask(
        f"{served.path}/completions",
        {"model": served.model, "prompt": text, "max_tokens": 1, "temperature": 0},
    )
    usage = answer.get("usage")
    count = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return count if type(count) is int and count > 0 else None
