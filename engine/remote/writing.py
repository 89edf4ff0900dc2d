"""What a model writes into a hole, piece by piece: drafts, where it ends, how probable it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.api import Alternative, Draft, EngineError, Fill, FillRequest, OnDraft, Shape, Span
from engine.checkpoints.calibration import probability_of_a_line
from engine.remote.shape import end_of_hole, without_cut_line

# The confidence of a fill whose server gives no probabilities: nothing speaks against it, and no
# threshold holds it back. `EngineInfo.confidence` says that it is unknown.
UNKNOWN = 1.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A few characters of an answer, and the log-probability of the tokens that they are, where the
    server gives it. `is_cut`: the limit of tokens was reached after it."""

    text: str
    logprob: float | None = None
    is_cut: bool = False


Pieces = Generator[Piece, None, None]
Event = dict[str, Any]


def pieces_of(
    events: Iterable[Event],
    piece: Callable[[Event], Piece],
    is_last: Callable[[Event], bool],
    source: object,
) -> Pieces:
    """The `piece` of each of the `events` of a stream, up to the one that `is_last`. Raises
    EngineError, which names `source`, where the stream ends without it."""
    for event in events:
        yield piece(event)
        if is_last(event):
            return
    raise broken_off(source)


def broken_off(source: object) -> EngineError:
    return EngineError(f"{source} broke off in the middle of its answer: try again")


def logprob_of(tokens: Any) -> float | None:
    """The log-probability of the `tokens` of a piece, each an object with its own; None where the
    server gives none."""
    if not isinstance(tokens, list) or not tokens:
        return None
    try:
        return float(sum(each["logprob"] for each in tokens))
    except (KeyError, TypeError):
        return None


def context_before(request: FillRequest) -> str:
    """Text of other files, for a server that has no place of its own for it: before the prefix."""
    return "".join(f"{each.text.strip()}\n\n" for each in request.context)


class Written(NamedTuple):
    """A fill, and whether its confidence is known."""

    fill: Fill
    is_confidence_known: bool


class Meant(NamedTuple):
    """The range of an answer, as far as it has come, that is meant for the hole. `is_settled`:
    nothing that comes later can move its start."""

    start: int
    end: int
    is_settled: bool


def all_of_it(answer: str, request: FillRequest) -> Meant:
    return Meant(0, len(answer), True)


def write(
    pieces: Pieces,
    request: FillRequest,
    show: OnDraft,
    meant: Callable[[str, FillRequest], Meant] = all_of_it,
) -> Written:
    """The fill that `pieces` are, which are closed as soon as the hole is full.

    Every piece gives a draft. `seconds` is left at 0: the caller measures the whole.
    """
    answer, taken, is_cut, spans = "", 0, False, list[tuple[int, int, float | None]]()
    start = end = 0
    try:
        for piece in pieces:
            is_cut = is_cut or piece.is_cut
            if not piece.text:
                continue
            taken += 1
            spans.append((len(answer), len(answer) + len(piece.text), piece.logprob))
            answer += piece.text
            start, end, is_settled = meant(answer, request)
            full = end_of_hole(answer[start:end], request)
            if full is not None:
                end, is_cut = start + full, False
            show(Draft((answer[start:end],), taken, taken, (_shown(spans, start, end),)))
            if full is not None and is_settled:
                break
    finally:
        pieces.close()
    text = answer[start:end]
    if is_cut and request.shape is Shape.BLOCK:
        text = without_cut_line(text)
    logprobs = [logprob for _, logprob in _within(spans, start, start + len(text))]
    confidence = probability_of_lines(text, logprobs)
    known = UNKNOWN if confidence is None else confidence
    fill = Fill((text,), known, taken, 0, 0.0, (Alternative((text,), known, known),))
    return Written(fill, confidence is not None)


def probability_of_lines(text: str, logprobs: Sequence[float | None]) -> float | None:
    """The probability of a line of `text` (engine/checkpoints/calibration.py), None where that of a
    piece is not known."""
    if not text.strip():
        return 0.0
    known = [each for each in logprobs if each is not None and not math.isnan(each)]
    if not known or len(known) < len(logprobs):
        return None
    lines = sum(bool(line.strip()) for line in text.splitlines())
    return probability_of_a_line(math.fsum(known), lines)


def _within(
    spans: Sequence[tuple[int, int, float | None]], start: int, end: int
) -> list[tuple[Span, float | None]]:
    """The spans that have a character in the range, cut to it and counted from its start."""
    return [
        (
            Span(
                max(first, start) - start,
                min(last, end) - start,
                0.0 if logprob is None else math.exp(min(0.0, logprob)),
            ),
            logprob,
        )
        for first, last, logprob in spans
        if max(first, start) < min(last, end)
    ]


def _shown(
    spans: Sequence[tuple[int, int, float | None]], start: int, end: int
) -> tuple[Span, ...]:
    """Empty where a probability is not known."""
    within = _within(spans, start, end)
    if any(logprob is None for _, logprob in within):
        return ()
    return tuple(span for span, _ in within)
