"""What is measured of one fill. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from engine.evaluation.exactness import (
    Parses,
    is_exact,
    is_grammatical,
    repeats_suffix,
    similarity,
)
from engine.evaluation.items import Item
from engine.evaluation.sandbox import Limits, run


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
    kind: str = ""
    starts_inside_word: bool = False

    def is_shown(self, gate: float) -> bool:
        """Whether an editor would show it unasked: it is confident enough, and breaks nothing."""
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
        exact=is_exact(item, text),
        similarity=similarity(text.strip(), item.solution.strip()),
        repeats=repeats_suffix(text, item.suffix),
        parses=whole if parsed(item.solution) else None,
        passed=passed,
        forwards=forwards,
        seconds=seconds,
        block=item.block,
        confidence=confidence,
        breaks=not whole if whole is not None and parsed("") else None,
        kind=item.kind,
        starts_inside_word=item.starts_inside_word,
    )
