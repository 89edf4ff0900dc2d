"""What a server's refusal means, however it words it."""

from __future__ import annotations

import json
import re
from typing import Any

from engine.api import BadRequest, EngineError, ModelMissing
from engine.remote.key import forget_key, how_to_give_one

BUSY = (429, 500, 502, 503, 504)  # asking again may help
LONGEST_REASON = 300  # characters

_TOO_LONG = re.compile(
    r"context (?:length|size|window)|maximum (?:model|input|sequence|context) length"
    r"|longer than the maximum|prompt is too long",
    re.IGNORECASE,
)
# How vLLM, llama.cpp and OpenAI name a fault of the request where an error carries no number.
_BAD_REQUEST_TYPES = ("BadRequestError", "invalid_request_error", "exceed_context_size_error")


class TooLong(BadRequest):
    """The text does not fit into the context that the server was started with."""


class Failed(EngineError):
    """The server broke on the request. It is there, and may do better with another one."""


def error_of_status(server: str, status: int, answer: bytes) -> EngineError:
    """The error of a response that is not 200. `server` is "machine:port"."""
    try:
        document = json.loads(answer)
    except ValueError:
        document = answer.decode("utf-8", "replace")
    return _error(server, status, _words(document))


def error_of_event(server: str, event: Any) -> EngineError:
    """The error in an event of a stream, whose status said 200: its own `code` counts."""
    error = event.get("error", event) if isinstance(event, dict) else event
    status = 0
    if isinstance(error, dict):
        code = error.get("code")
        if isinstance(code, int) or (isinstance(code, str) and code.isdigit()):
            status = int(code)
        elif error.get("type") in _BAD_REQUEST_TYPES:
            status = 400
    words = _words(event)
    return _error(server, status, words) if status else Failed(f"{server} failed: {words}")


def _error(server: str, status: int, words: str) -> EngineError:
    if status in (401, 403):
        forget_key()
        return EngineError(
            f"{server} wants a key, and not the one it got, if any ({status}):"
            f" {how_to_give_one(server)}"
        )
    if status == 404:
        return ModelMissing(f"{server} has no such model or address (404): {words}")
    if status == 413 or (status in (400, 422, 500) and _TOO_LONG.search(words)):
        return TooLong(f"{server} has too little context for the request ({status}): {words}")
    if status in (400, 405, 422, 501):
        return BadRequest(f"{server} does not take the request ({status}): {words}")
    if status == 429:
        return EngineError(f"{server} is busy (429): try again later")
    if 300 <= status < 400:
        return EngineError(f"{server} has moved ({status}): give the address it moved to")
    if status == 500:
        return Failed(f"{server} fails (500): {words}")
    if status > 500:
        return EngineError(f"{server} fails ({status}): {words}")
    return EngineError(f"{server} answers {status}: {words}")


def _words(document: Any) -> str:
    """One line of what a server says, from `error`, `detail` or `message`, nested or not."""
    words = " ".join(_unwrapped(document).split())
    return words[:LONGEST_REASON] or "it gives no reason"


def _unwrapped(document: Any) -> str:
    match document:
        case str():
            return document
        case list():
            return "; ".join(map(_unwrapped, document))
        case {"msg": str(text), "loc": list(place)}:  # as pydantic names a field that it refuses
            return f"{'.'.join(map(str, place))}: {text}"
        case {"error": inner} | {"detail": inner} | {"message": inner} if inner:
            return _unwrapped(inner)
    return json.dumps(document)
