"""The contract as JSON, for processes that talk about fills: the host, its callers, a test.

JSON-RPC 2.0, one object per line. Text may hold lone surrogates (an editor can send half an
emoji); JSON's ASCII escapes carry them where UTF-8 could not, so a line is always ASCII.

What a host understands, after `hello`, is listed in engine/host/service.py.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from engine.api import (
    Alternative,
    BadRequest,
    Cancelled,
    CannotConstrain,
    Constraint,
    Draft,
    EngineError,
    EngineInfo,
    Fill,
    FillRequest,
    HostLost,
    ModelMissing,
    OutOfMemory,
    Priority,
    Proposal,
    Shape,
    Snippet,
    Span,
)

Message = dict[str, Any]

PROTOCOL = 3  # two ends with different numbers do not talk
LINE_LIMIT = 64 << 20  # bytes of a message: more is no file that anybody edits

FILL_FAILED = -32000
METHOD_NOT_FOUND = -32601
PARSE_ERROR = -32700

KINDS: dict[str, type[EngineError]] = {
    kind.kind: kind
    for kind in (
        EngineError,
        BadRequest,
        CannotConstrain,
        Cancelled,
        ModelMissing,
        OutOfMemory,
        HostLost,
    )
}


def encode_line(message: Message) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode("ascii") + b"\n"


def decode_line(line: bytes) -> Message:
    """Raises ValueError for anything but one JSON object."""
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError(f"a message is an object, not {type(message).__name__}")
    return message


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a fill is asked for.

    `slot`: of one window's requests for the same slot only the newest is wanted. `within`: seconds
    after which nobody wants the answer any more. `drafts`: send what each step believes.
    """

    priority: Priority = Priority.FOREGROUND
    slot: str | None = None
    within: float | None = None
    drafts: bool = False


def fill_to_params(request: FillRequest, terms: Terms) -> Message:
    return {**request_to_json(request), **asdict(terms)}


def fill_from_params(data: Any) -> tuple[FillRequest, Terms]:
    """Raises BadRequest when `data` is not a request with its terms."""
    if not isinstance(data, dict):
        raise BadRequest("the parameters of a fill are an object")
    names = {field.name for field in fields(Terms)}
    request = request_from_json({key: data[key] for key in data.keys() - names})
    given = {key: data[key] for key in data.keys() & names}
    try:
        priority = Priority(given.pop("priority", Priority.FOREGROUND))
        terms = Terms(priority, **given)
        within = None if terms.within is None else float(terms.within)
    except (TypeError, ValueError) as error:
        raise BadRequest(f"the terms of the fill cannot be read: {error}") from error
    if terms.slot is not None and not isinstance(terms.slot, str):
        raise BadRequest("the slot of a fill is a string")
    if within is not None and not within >= 0:  # not a number is not allowed either
        raise BadRequest("a fill is wanted within some seconds, not less than none")
    return request, replace(terms, within=within, drafts=bool(terms.drafts))


def request_to_json(request: FillRequest) -> Message:
    return asdict(request)


def request_from_json(data: Any) -> FillRequest:
    """Raises BadRequest when `data` is not a request."""
    if not isinstance(data, dict):
        raise BadRequest("the parameters of a fill are an object")
    unknown = sorted(data.keys() - {field.name for field in fields(FillRequest)})
    if unknown:
        raise BadRequest(f"a fill request has no field {', '.join(unknown)}")
    try:
        given = dict(data)
        given["texts"] = _texts(given.get("texts"))
        if given.get("draft") is not None:
            given["draft"] = _texts(given["draft"])
        if given.get("constraint") is not None:
            given["constraint"] = tuple(map(_constraint, given["constraint"]))
        given["shape"] = Shape(given.get("shape", Shape.AUTO))
        given["context"] = tuple(Snippet(**snippet) for snippet in given.get("context", ()))
        given["proposals"] = tuple(Proposal(**each) for each in given.get("proposals", ()))
        return FillRequest(**given)
    except (TypeError, ValueError) as error:
        raise BadRequest(f"the fill request cannot be read: {error}") from error


def fill_to_json(fill: Fill) -> Message:
    return asdict(fill)


def fill_from_json(data: Message) -> Fill:
    alternatives = tuple(
        Alternative(tuple(each["texts"]), each["score"], each["confidence"])
        for each in data["alternatives"]
    )
    return Fill(**{**data, "texts": tuple(data["texts"]), "alternatives": alternatives})


def draft_to_json(draft: Draft) -> Message:
    return asdict(draft)


def draft_from_json(data: Message) -> Draft:
    confidence = tuple(tuple(Span(**span) for span in hole) for hole in data["confidence"])
    return Draft(tuple(data["texts"]), data["step"], data["of"], confidence)


def info_to_json(info: EngineInfo) -> Message:
    return asdict(info)


def info_from_json(data: Message) -> EngineInfo:
    return EngineInfo(**data)


def error_to_json(error: EngineError) -> Message:
    return {"code": FILL_FAILED, "message": str(error), "data": {"kind": error.kind}}


def error_from_json(data: Message) -> EngineError:
    kind = KINDS.get((data.get("data") or {}).get("kind", ""), EngineError)
    return kind(data.get("message", "the engine gave no reason"))


def _constraint(data: Any) -> Constraint | None:
    if data is None:
        return None
    return Constraint(**{**data, "choices": _texts(data.get("choices", []))})


def _texts(data: Any) -> tuple[str, ...]:
    if not isinstance(data, list) or not all(isinstance(text, str) for text in data):
        raise BadRequest("texts, drafts and choices are lists of strings")
    return tuple(data)
