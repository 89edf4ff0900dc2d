"""Sets of texts, put together from smaller ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Range = tuple[int, int]  # code points, both ends included
LAST = 0x10FFFF


@dataclass(frozen=True, slots=True)
class Characters:
    """One character of these ranges, which rise and do not touch."""

    ranges: tuple[Range, ...]

    @classmethod
    def of(cls, *ranges: Range) -> Characters:
        joined: list[Range] = []
        for first, last in sorted(ranges):
            if joined and first <= joined[-1][1] + 1:
                joined[-1] = joined[-1][0], max(last, joined[-1][1])
            else:
                joined.append((first, last))
        return cls(tuple(joined))

    def others(self) -> Characters:
        """Every character but these."""
        found, start = [], 0
        for first, last in self.ranges:
            if start < first:
                found.append((start, first - 1))
            start = last + 1
        if start <= LAST:
            found.append((start, LAST))
        return Characters(tuple(found))


@dataclass(frozen=True, slots=True)
class Text:
    """Exactly this text."""

    text: str


@dataclass(frozen=True, slots=True)
class Sequence:
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Any of these; of none, no text at all."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`least` to `most` times, None for any number of times."""

    part: Expression
    least: int = 0
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule of this name says."""

    name: str


Expression = Characters | Text | Sequence | Either | Repeat | Rule


@dataclass(frozen=True, slots=True)
class Grammar:
    """What the rule ROOT says."""

    rules: Mapping[str, Expression]


ROOT = "root"
ANY = Characters(((0, LAST),))
EMPTY = Text("")


def one_of(characters: str) -> Characters:
    return Characters.of(*((ord(each), ord(each)) for each in characters))


def between(*ends: str) -> Characters:
    """The characters of ranges such as "az" and "09"."""
    return Characters.of(*((ord(each[0]), ord(each[1])) for each in ends))


def optional(part: Expression) -> Repeat:
    return Repeat(part, 0, 1)


__all__ = [
    "ANY",
    "EMPTY",
    "LAST",
    "ROOT",
    "Characters",
    "Either",
    "Expression",
    "Grammar",
    "Range",
    "Repeat",
    "Rule",
    "Sequence",
    "Text",
    "between",
    "one_of",
    "optional",
]
