"""infill/fill: holes of the client's own choosing in an open document, filled together.

A request of ours, for tools that show how a fill comes about; editors have the code actions.

Parameters: {textDocument: {uri, version?}, holes: [range, ...]} and, each optional, `steps`,
`candidates`, `seed`, `maxTokens`, and `trace`, which keeps every draft for the answer. What stands
in a hole gives way. Answer: {texts, confidence, calibration, steps, canvasTokens, seconds, model,
device, alternatives: [{texts, score, confidence, breaks}]}, where `texts` has one text per hole, as
it would stand in the document, `calibration` says what a confidence is worth (as in
engine.api.EngineInfo; null where that is not known), and `breaks` whether a candidate leaves more
syntax errors in what it touches than there would be without it. With `trace` also {drafts: [{step,
of, seconds, texts, confidence}]}, `seconds` since the request and `confidence` one list of {start,
end, confidence} per hole.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lsprotocol import types as t

from engine.api import Alternative, BadRequest, Draft, EngineError, Fill, Span
from lsp_server.capabilities import FILL
from lsp_server.document import Document
from lsp_server.features.code_action_choices import best_fit, guard_of
from lsp_server.gap import cut
from lsp_server.holes.hole import Hole, Plan
from lsp_server.notify.drafts import spans_in_units
from lsp_server.protocol import failed
from lsp_server.reading import integer, position
from lsp_server.session import Session
from lsp_server.suggest.guard import Guard

_NUMBERS = {"steps": "steps", "candidates": "candidates", "seed": "seed", "maxTokens": "max_tokens"}


async def answer(session: Session, params: Any) -> dict[str, Any]:
    """Raises RequestFailed with words for whoever asked, InvalidParams where it makes no sense."""
    document, ranges, numbers, traced = _read(session, params)
    plan = await _plan(session, document, ranges)
    trace = Trace(document, plan.holes) if traced else None
    try:
        request = replace(await session.fills.request_for_plan(plan), **numbers)
        fill = await session.fills.fill_plan(plan, trace.on_draft if trace else None, request)
    except BadRequest as error:
        raise failed(str(error), t.ErrorCodes.InvalidParams) from error
    except EngineError as error:
        raise failed(str(error)) from error
    guard = await guard_of(session, plan)
    serves = session.status.engine() | {"calibration": session.status.calibration}
    result = await as_json(plan, fill, guard) | serves
    return result | {"drafts": trace.drafts} if trace else result


class Trace:
    """Every draft of a fill, with the time it came."""

    def __init__(self, document: Document, holes: Sequence[Hole]) -> None:
        self.drafts: list[dict[str, Any]] = []
        self._document = document
        self._holes = holes
        self._started = time.perf_counter()

    def on_draft(self, draft: Draft) -> None:
        spans: Sequence[Sequence[Span]] = draft.confidence or ((),) * len(draft.texts)
        self.drafts.append(
            {
                "step": draft.step,
                "of": draft.of,
                "seconds": round(time.perf_counter() - self._started, 4),
                "texts": list(draft.texts),
                "confidence": [
                    spans_in_units(self._document, hole, text, each)
                    for hole, text, each in zip(self._holes, draft.texts, spans, strict=True)
                ],
            }
        )


async def as_json(plan: Plan, fill: Fill, guard: Guard) -> dict[str, Any]:
    """Candidates that are the same once they are cleaned are one, with the better score; there is
    one at least."""
    found: dict[tuple[str, ...], Alternative] = {}
    alone = Alternative(fill.texts, math.nan, fill.confidence)
    for each in fill.alternatives or (alone,):
        found.setdefault(await best_fit(plan, each.texts, guard), each)
    breaks = {texts: (await guard.judge(plan.filled(texts)))[1] for texts in found}
    return {
        "texts": list(await best_fit(plan, fill.texts, guard)),
        "confidence": round(fill.confidence, 4),
        "steps": fill.steps,
        "canvasTokens": fill.canvas_tokens,
        "seconds": round(fill.seconds, 4),
        "alternatives": [
            {
                "texts": list(texts),
                "score": round(each.score, 4) if math.isfinite(each.score) else None,
                "confidence": round(each.confidence, 4),
                "breaks": breaks[texts],
            }
            for texts, each in found.items()
        ],
    }


def _read(session: Session, params: Any) -> tuple[Document, list[t.Range], dict[str, Any], bool]:
    given = _plain(params)
    try:
        uri, version = given["textDocument"]["uri"], given["textDocument"].get("version")
        if not isinstance(uri, str):
            raise TypeError("a uri is a string")
        ranges = [_range(each) for each in given["holes"]]
        numbers: dict[str, Any] = {
            ours: _number(given[theirs])
            for theirs, ours in _NUMBERS.items()
            if given.get(theirs) is not None
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise failed(
            f"{FILL} needs textDocument.uri and holes, a list of ranges: {error!r}",
            t.ErrorCodes.InvalidParams,
        ) from error
    document = session.documents.get(uri)
    if document is None:
        raise failed(session.documents.why_absent(uri))
    if version not in (None, document.version):
        raise failed("the document has changed since", t.LSPErrorCodes.ContentModified)
    return document, ranges, numbers, given.get("trace") is True


async def _plan(session: Session, document: Document, ranges: Sequence[t.Range]) -> Plan:
    offsets = sorted(document.offsets(range) for range in ranges)
    ends = [0, *(end for _, end in offsets)]
    if not offsets or any(start < end for (start, _), end in zip(offsets, ends, strict=False)):
        raise failed("holes are one or more ranges that do not overlap", t.ErrorCodes.InvalidParams)
    tree = await session.parsing.tree(document)
    gaps = [cut(document, start, end, tree) for start, end in offsets]
    holes = tuple(
        Hole(gap.start, gap.end, gap.shape, indent=gap.indent if "\n" in gap.replaced else "")
        for gap in gaps
    )
    return Plan("Fill the holes", document, holes)


def _number(given: Any) -> int:
    number = integer(given)
    if number is None:
        raise ValueError(f"{given!r} is no whole number")
    return number


def _range(given: Any) -> t.Range:
    return t.Range(position(given["start"]), position(given["end"]))


def _plain(given: Any) -> Any:
    """pygls makes named tuples of what it knows no type for."""
    if hasattr(given, "_asdict"):
        return {name: _plain(value) for name, value in given._asdict().items()}
    return [_plain(each) for each in given] if isinstance(given, list) else given
