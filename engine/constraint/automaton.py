"""A constraint as a deterministic automaton over characters.

Rules may refer to themselves; what nests deeper than DEPTH levels is left out, so that all that is
accepted obeys the grammar, and what is finite can be compiled.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from engine.api import BadRequest, Constraint
from engine.constraint.expression import (
    ROOT,
    Characters,
    Either,
    Expression,
    Grammar,
    Range,
    Repeat,
    Rule,
    Sequence,
    Text,
)
from engine.constraint.grammar import grammar_of

DEPTH = 4  # times that a rule may stand within itself
MOST_STATES = 50_000  # of either automaton
DEAD = 0
START = 1
_SIMPLER = "give a shorter one, or fewer choices"


@dataclass(frozen=True, slots=True)
class Automaton:
    """State DEAD accepts nothing; one begins at START.

    `bounds` rise: characters from one to before the next are of one class, those before the first
    of class 0. `steps[state][class]` is the next state; DEAD unless acceptance can be reached from
    there. `accepting` are the states that a text may end in.
    """

    bounds: tuple[int, ...]
    steps: tuple[tuple[int, ...], ...]
    accepting: frozenset[int]

    def accepts(self, text: str) -> bool:
        state = START
        for character in text:
            state = self.steps[state][bisect_right(self.bounds, ord(character))]
        return state in self.accepting

    @property
    def is_empty(self) -> bool:
        """Whether there is no text at all."""
        return START not in self.accepting and not any(self.steps[START])


@lru_cache(maxsize=32)
def automaton_of(constraint: Constraint, left: str = "", right: str = "") -> Automaton:
    """Of what the constraint allows, between the texts `left` and `right`. Raises BadRequest for a
    constraint that cannot be understood, is too large, or allows nothing."""
    grammar = grammar_of(constraint)
    whole = Sequence((Text(left), Rule(ROOT), Text(right)))
    found = _determined(_Builder(grammar), whole)
    if found.is_empty:
        raise BadRequest("the constraint allows no text at all: check its rules")
    return found


@dataclass(slots=True)
class _Builder:
    """An automaton that may be in several states at once: of each, the steps that take a character,
    and those that take none."""

    grammar: Grammar
    steps: list[list[tuple[Characters, int]]] = field(default_factory=list)
    free: list[list[int]] = field(default_factory=list)

    def state(self) -> int:
        if len(self.steps) > MOST_STATES:
            raise BadRequest(f"the constraint is too large: {_SIMPLER}")
        self.steps.append([])
        self.free.append([])
        return len(self.steps) - 1

    def add(self, expression: Expression, start: int, within: tuple[str, ...]) -> int | None:
        """Where `expression` ends that begins at `start`; None where it cannot end. `within` are
        the rules that it is part of."""
        match expression:
            case Characters():
                end = self.state()
                self.steps[start].append((expression, end))
                return end
            case Text(text):
                for character in text:
                    code = ord(character)
                    start = self._step(start, (code, code))
                return start
            case Sequence(parts):
                return self._sequence(parts, start, within)
            case Either(parts):
                return self._either(parts, start, within)
            case Repeat():
                return self._repeated(expression, start, within)
            case Rule(name):
                if within.count(name) > DEPTH:
                    return None
                return self.add(self.grammar.rules[name], start, (*within, name))

    def _step(self, start: int, characters: Range) -> int:
        end = self.state()
        self.steps[start].append((Characters((characters,)), end))
        return end

    def _sequence(
        self, parts: Iterable[Expression], start: int, within: tuple[str, ...]
    ) -> int | None:
        for part in parts:
            end = self.add(part, start, within)
            if end is None:
                return None
            start = end
        return start

    def _either(
        self, parts: Iterable[Expression], start: int, within: tuple[str, ...]
    ) -> int | None:
        ends = []
        for part in parts:
            # What a repetition leads back to is not what the other alternatives begin with.
            begin = self.state()
            self.free[start].append(begin)
            end = self.add(part, begin, within)
            if end is not None:
                ends.append(end)
        if not ends:
            return None
        end = self.state()
        for each in ends:
            self.free[each].append(end)
        return end

    def _repeated(self, repeat: Repeat, start: int, within: tuple[str, ...]) -> int | None:
        least = self._sequence([repeat.part] * repeat.least, start, within)
        if least is None:
            return None
        end = self.state()
        self.free[least].append(end)
        if repeat.most is None:
            again = self.add(repeat.part, end, within)
            if again is not None:
                self.free[again].append(end)
            return end
        at = least
        for _ in range(repeat.most - repeat.least):
            more = self.add(repeat.part, at, within)
            if more is None:
                break
            self.free[more].append(end)
            at = more
        return end

    def reached(self, states: Iterable[int]) -> frozenset[int]:
        """The states that one is in at once."""
        found, waiting = set[int](), list(states)
        while waiting:
            state = waiting.pop()
            if state not in found:
                found.add(state)
                waiting += self.free[state]
        return frozenset(found)


def _determined(builder: _Builder, expression: Expression) -> Automaton:
    start = builder.state()
    end = builder.add(expression, start, ())
    bounds = _bounds(builder)
    known = {builder.reached([start]): START}
    waiting, steps = [*known], [(0,) * (len(bounds) + 1)]
    for states in waiting:  # grows on the way
        if len(waiting) > MOST_STATES:
            raise BadRequest(f"the constraint is too large: {_SIMPLER}")
        next_ones: dict[int, set[int]] = {}
        for state in states:
            for characters, to in builder.steps[state]:
                for first, last in characters.ranges:
                    for kind in range(bisect_right(bounds, first), bisect_right(bounds, last) + 1):
                        next_ones.setdefault(kind, set()).add(to)
        row = [DEAD] * (len(bounds) + 1)
        for kind, targets in next_ones.items():
            to_states = builder.reached(targets)
            if to_states not in known:
                known[to_states] = len(known) + 1
                waiting.append(to_states)
            row[kind] = known[to_states]
        steps.append(tuple(row))
    accepting = frozenset(
        number for states, number in known.items() if end is not None and end in states
    )
    return Automaton(bounds, _without_dead_ends(steps, accepting), accepting)


def _bounds(builder: _Builder) -> tuple[int, ...]:
    ends = set[int]()
    for steps in builder.steps:
        for characters, _ in steps:
            for first, last in characters.ranges:
                ends |= {first, last + 1}
    return tuple(sorted(ends))


def _without_dead_ends(
    steps: list[tuple[int, ...]], accepting: frozenset[int]
) -> tuple[tuple[int, ...], ...]:
    """The same with DEAD for every state from which no accepting one can be reached."""
    before: dict[int, set[int]] = {}
    for state, row in enumerate(steps):
        for to in row:
            before.setdefault(to, set()).add(state)
    alive, waiting = set(accepting), list(accepting)
    while waiting:
        for state in before.get(waiting.pop(), ()):
            if state not in alive:
                alive.add(state)
                waiting.append(state)
    return tuple(tuple(to if to in alive else DEAD for to in row) for row in steps)


__all__ = ["DEAD", "START", "Automaton", "automaton_of"]
