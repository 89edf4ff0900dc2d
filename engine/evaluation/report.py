"""The summary of many answers. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.evaluation.calibration import calibration
from engine.evaluation.intervals import Proportion, bootstrap, mean, quantile
from engine.evaluation.measure import Answer

Summary = dict[str, Any] | None  # mean, low, high, n; None where nobody can tell

# Parts of the answers with a row of their own, where there are such and others.
PARTS: Mapping[str, Callable[[Answer], bool]] = {
    "lines": lambda answer: not answer.block,
    "blocks": lambda answer: answer.block,
    "rest of line": lambda answer: answer.kind == "rest of line",
    "whole line": lambda answer: answer.kind == "whole line",
    "cursor inside a word": lambda answer: answer.starts_inside_word and not answer.block,
    "without bare brackets": lambda answer: not answer.bare,
    "lines without bare brackets": lambda answer: not answer.bare and not answer.block,
}


def report(answers: Sequence[Answer], seed: int = 0, gate: float = 0.0) -> list[dict[str, Any]]:
    """A row for each method, for each of PARTS and for each language, where there are several.
    `gate` is the confidence from which on a fill is shown."""
    rows = []
    for method in dict.fromkeys(answer.method for answer in answers):
        of_method = [answer for answer in answers if answer.method == method]
        rows.append(_row(method, "all", of_method, seed, gate))
        for part, belongs in PARTS.items():
            inside = [answer for answer in of_method if belongs(answer)]
            if 0 < len(inside) < len(of_method):
                rows.append(_row(method, part, inside, seed, gate))
        languages = sorted({answer.language for answer in of_method})
        if len(languages) > 1:
            for language in languages:
                of_language = [each for each in of_method if each.language == language]
                rows.append(_row(method, language, of_language, seed, gate))
    return rows


def calibrations(answers: Sequence[Answer]) -> dict[str, Any]:
    """By method, whether confidences are what they say, and what gates would show."""
    return {
        method: calibration([(a.confidence, a.exact) for a in answers if a.method == method])
        for method in dict.fromkeys(answer.method for answer in answers)
    }


def _row(
    method: str, part: str, answers: Sequence[Answer], seed: int, gate: float
) -> dict[str, Any]:
    def rate(of: Callable[[Answer], bool | None]) -> Summary:
        values = [value for answer in answers if (value := of(answer)) is not None]
        return Proportion.of(values).as_json() if values else None

    similarities = [answer.similarity for answer in answers]
    low, high = bootstrap(similarities, seed)
    seconds = sorted(answer.seconds for answer in answers)
    return {
        "method": method,
        "part": part,
        "n": len(answers),
        "pass@1": rate(lambda answer: answer.passed),
        "exact": rate(lambda answer: answer.exact),
        "similarity": {"mean": mean(similarities), "low": low, "high": high, "n": len(answers)},
        "repeats_suffix": rate(lambda answer: answer.repeats),
        "parse_errors": rate(lambda each: None if each.parses is None else not each.parses),
        "breaks": rate(lambda answer: answer.breaks),
        "shown": rate(lambda answer: answer.is_shown(gate)),
        "shown_exact": rate(lambda each: each.exact if each.is_shown(gate) else None),
        "forwards": mean([answer.forwards for answer in answers]),
        "p50_seconds": quantile(seconds, 0.5),
        "p95_seconds": quantile(seconds, 0.95),
    }
