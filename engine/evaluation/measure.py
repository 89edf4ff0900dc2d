"""What is measured of a fill, and what is told of many. Imports no torch."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.evaluation.items import Item
from engine.evaluation.sandbox import Limits, run

Parses = Callable[[str, str], bool | None]  # (language id, text); None where it cannot tell

RESAMPLES = 1000
SHORT = 4  # characters: a shorter line ("}", "end") may well stand there twice


@dataclass(frozen=True, slots=True)
class Answer:
    """One item filled by one method. `parses`: the whole does; None where the original does not.
    `breaks`: a file that parses with nothing in the gap no longer does; None where it does not.
    They and `passed` are None where nobody can tell, too."""

    id: str
    method: str
    language: str
    bare: bool
    text: str
    exact: bool
    similarity: float
    repeats: bool
    parses: bool | None
    passed: bool | None
    forwards: int
    seconds: float
    block: bool = False
    confidence: float = 0.0
    breaks: bool | None = None

    def is_shown(self, gate: float) -> bool:
        """Whether an editor would show it unasked: it is sure enough, and breaks nothing."""
        return self.confidence >= gate and self.parses is not False


def judge(
    item: Item,
    method: str,
    text: str,
    forwards: int,
    seconds: float,
    *,
    execute: bool,
    limits: Limits | None = None,
    parser: Parses | None = None,
    confidence: float = 0.0,
) -> Answer:
    """`execute` runs the item's tests in a sandbox, if it has any. `parser` knows the languages
    that are not Python."""

    def parsed(middle: str) -> bool | None:
        return is_grammatical(item.language, item.prefix + middle + item.suffix, parser)

    whole, passed = parsed(text), None
    if execute and item.test:
        program = f"{item.prefix}{text}{item.suffix}\n{item.test}\ncheck({item.entry_point})\n"
        passed = run(program, limits).passed
    return Answer(
        id=item.id,
        method=method,
        language=item.language,
        bare=item.bare,
        text=text,
        exact=text.strip() == item.solution.strip(),
        similarity=similarity(text.strip(), item.solution.strip()),
        repeats=repeats_suffix(text, item.suffix),
        parses=whole if parsed(item.solution) else None,
        passed=passed,
        forwards=forwards,
        seconds=seconds,
        block=item.block,
        confidence=confidence,
        breaks=not whole if whole is not None and parsed("") else None,
    )


def similarity(found: str, wanted: str) -> float:
    """1 - edit distance over the longer length; 1 for two empty texts."""
    if found == wanted:
        return 1.0
    row = list(range(len(wanted) + 1))
    for index, one in enumerate(found, 1):
        diagonal, row[0] = row[0], index
        for at, other in enumerate(wanted, 1):
            diagonal, row[at] = row[at], min(
                row[at] + 1, row[at - 1] + 1, diagonal + (one != other)
            )  # fmt: skip
    return 1 - row[-1] / max(len(found), len(wanted))


def repeats_suffix(text: str, suffix: str) -> bool:
    """Whether the fill says again what follows it: its first line with something on it."""
    following = next((line.strip() for line in suffix.splitlines() if line.strip()), "")
    return len(following) >= SHORT and following in {line.strip() for line in text.splitlines()}


def is_grammatical(language: str, text: str, parser: Parses | None = None) -> bool | None:
    """Python by its own parser, any other language by `parser`; None where nobody can tell."""
    if language == "python":
        return _is_python(text)
    return parser(language, text) if parser is not None else None


def report(answers: Sequence[Answer], seed: int = 0, gate: float = 0.0) -> list[dict[str, Any]]:
    """A row for each method; for lines and blocks, and for each language, where there are several;
    and one without items that are brackets alone. `gate` is the confidence from which on a fill is
    shown."""
    rows = []
    for method in dict.fromkeys(answer.method for answer in answers):
        of_method = [answer for answer in answers if answer.method == method]
        rows.append(_row(method, "all", of_method, seed, gate))
        blocks = [answer for answer in of_method if answer.block]
        if 0 < len(blocks) < len(of_method):
            lines = [answer for answer in of_method if not answer.block]
            rows.append(_row(method, "lines", lines, seed, gate))
            rows.append(_row(method, "blocks", blocks, seed, gate))
        languages = sorted({answer.language for answer in of_method})
        if len(languages) > 1:
            for language in languages:
                of_language = [each for each in of_method if each.language == language]
                rows.append(_row(method, language, of_language, seed, gate))
        lettered = [answer for answer in of_method if not answer.bare]
        if lettered and len(lettered) < len(of_method):
            rows.append(_row(method, "without bare brackets", lettered, seed, gate))
    return rows


def interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """95% of the means of resamples lie within it."""
    rng = random.Random(seed)
    means = sorted(_mean(rng.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return means[round(0.025 * RESAMPLES)], means[round(0.975 * RESAMPLES) - 1]


def _row(
    method: str, part: str, answers: Sequence[Answer], seed: int, gate: float
) -> dict[str, Any]:
    def told(of: Callable[[Answer], float | bool | None]) -> dict[str, Any] | None:
        values = [float(value) for answer in answers if (value := of(answer)) is not None]
        if not values:
            return None
        low, high = interval(values, seed)
        return {"mean": _mean(values), "low": low, "high": high, "n": len(values)}

    seconds = sorted(answer.seconds for answer in answers)
    return {
        "method": method,
        "part": part,
        "n": len(answers),
        "pass@1": told(lambda answer: answer.passed),
        "exact": told(lambda answer: answer.exact),
        "similarity": told(lambda answer: answer.similarity),
        "repeats_suffix": told(lambda answer: answer.repeats),
        "parse_errors": told(lambda each: None if each.parses is None else not each.parses),
        "breaks": told(lambda answer: answer.breaks),
        "shown": told(lambda answer: answer.is_shown(gate)),
        "shown_exact": told(lambda each: each.exact if each.is_shown(gate) else None),
        "forwards": _mean([answer.forwards for answer in answers]),
        "p50_seconds": quantile(seconds, 0.5),
        "p95_seconds": quantile(seconds, 0.95),
    }


def quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
