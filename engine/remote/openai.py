"""The answers of servers that speak OpenAI's API, as pieces of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.api import IsCancelled
from engine.remote.served import Served
from engine.remote.writing import Piece, Pieces, broken_off


def pieces(
    served: Served, path: str, body: dict[str, Any], cancelled: IsCancelled | None
) -> Pieces:
    """Of a chat (`delta.content`) or a completion (`text`), streamed. Raises EngineError where the
    stream ends without having come to its end."""
    is_whole = False
    for event in served.stream(path, body, cancelled):
        choice = _choice(event)
        if choice is None:
            continue  # such as the usage that some servers send last
        reason = choice.get("finish_reason")
        is_whole = is_whole or reason is not None
        if (text := text_of(choice)) or reason is not None:
            yield Piece(text, logprob_of(choice), reason == "length")
    if not is_whole:
        raise broken_off(served)


def text_of(choice: dict[str, Any]) -> str:
    for holder in (choice.get("delta"), choice.get("message"), choice):
        if isinstance(holder, dict):
            text = holder.get("content", holder.get("text"))
            if isinstance(text, str):
                return text
    return ""


def logprob_of(choice: dict[str, Any]) -> float | None:
    """Of all tokens in a choice: a chat's are in `content`, a completion's in `token_logprobs`."""
    logprobs = choice.get("logprobs")
    if not isinstance(logprobs, dict):
        return None
    given = list(_numbers(logprobs))
    return sum(given) if given and None not in given else None  # type: ignore[arg-type]


def _numbers(logprobs: dict[str, Any]) -> Iterator[float | None]:
    entries = logprobs.get("content")
    if not isinstance(entries, list):
        entries = logprobs.get("token_logprobs")
    for each in entries if isinstance(entries, list) else ():
        number = each.get("logprob") if isinstance(each, dict) else each
        yield float(number) if isinstance(number, int | float) else None


def _choice(event: dict[str, Any]) -> dict[str, Any] | None:
    choices = event.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else None
