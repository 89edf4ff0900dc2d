"""Grammars in GBNF, the notation of llama.cpp (grammars/README.md there), as expressions.

    root   ::= number (", " number){0,3}     # a comment
    number ::= "-"? [0-9]+

Names, "literals" with JSON's escapes, [classes] and [^classes] with \\n \\t \\r \\xHH \\uHHHH and
\\UHHHHHHHH, `.` for any character, groups, alternatives, and the repetitions ? * + {n} {n,} {n,m}.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.api import BadRequest, Constraint
from engine.constraint.expression import (
    ANY,
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
from engine.constraint.schema import grammar_of_schema

_PIECE = re.compile(
    r"""(?P<space>[ \t\r\n]+|\#[^\n]*)
      | (?P<defines>(?P<name>[A-Za-z][\w-]*)[ \t]*::=)
      | (?P<rule>[A-Za-z][\w-]*)
      | "(?P<literal>(?:[^"\\\n]|\\.)*)"
      | \[(?P<negated>\^?)(?P<ranges>(?:[^\]\\]|\\.)*)\]
      | (?P<repeat>[?*+] | \{\s*(?P<least>\d+)\s*(?:(?P<comma>,)\s*(?P<most>\d*)\s*)?\})
      | (?P<mark>[|().])""",
    re.VERBOSE,
)
_CHARACTER = re.compile(
    r"\\(?:x(?P<x>[0-9A-Fa-f]{2})|u(?P<u>[0-9A-Fa-f]{4})|U(?P<U>[0-9A-Fa-f]{8})|(?P<one>.))|(?P<self>.)",
    re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def grammar_of(constraint: Constraint) -> Grammar:
    """What a constraint says. Raises BadRequest naming what cannot be understood in it."""
    if constraint.schema is not None:
        return grammar_of_schema(constraint.schema)
    if constraint.grammar is not None:
        return read_grammar(constraint.grammar)
    return Grammar({ROOT: Either(tuple(map(Text, dict.fromkeys(constraint.choices))))})


def read_grammar(text: str) -> Grammar:
    """Raises BadRequest naming the line that is no GBNF, or a rule that is missing."""
    rules = _Reader(text).rules()
    for name in [ROOT, *(name for each in rules.values() for name in _names(each))]:
        if name not in rules:
            raise BadRequest(f"the grammar has no rule {name}: add `{name} ::= ...`")
    return Grammar(rules)


def _names(expression: Expression) -> list[str]:
    match expression:
        case Rule(name):
            return [name]
        case Sequence(parts) | Either(parts):
            return [name for part in parts for name in _names(part)]
        case Repeat(part):
            return _names(part)
    return []


@dataclass(slots=True)
class _Reader:
    text: str
    at: int = 0

    def rules(self) -> dict[str, Expression]:
        rules: dict[str, Expression] = {}
        while (found := self._next()) is not None:
            if not found["defines"]:
                raise self._fault("a rule begins with `name ::=`")
            if found["name"] in rules:
                raise self._fault(f"the rule {found['name']} is there already")
            rules[found["name"]] = self._either()
        return rules

    def _either(self) -> Expression:
        parts = [self._sequence()]
        while (found := self._peek()) is not None and found["mark"] == "|":
            self._next()
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _sequence(self) -> Expression:
        parts: list[Expression] = []
        while (found := self._peek()) is not None:
            if found["defines"] or found["mark"] in ("|", ")"):
                break
            self._next()
            if found["repeat"]:
                if not parts:
                    raise self._fault("there is nothing before it to repeat")
                parts.append(_repeated(parts.pop(), found))
            else:
                parts.append(self._one(found))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _one(self, found: re.Match[str]) -> Expression:
        if found["rule"]:
            return Rule(found["rule"])
        if found["literal"] is not None:
            return Text("".join(map(chr, self._characters(found["literal"]))))
        if found["ranges"] is not None:
            chosen = Characters.of(*self._ranges(found["ranges"]))
            return chosen.others() if found["negated"] else chosen
        if found["mark"] == ".":
            return ANY
        inner = self._either()
        end = self._next()
        if end is None or end["mark"] != ")":
            raise self._fault("a ( has no )")
        return inner

    def _ranges(self, text: str) -> list[Range]:
        """A `-` at either end stands for itself, and so does one that was escaped."""
        found = list(_CHARACTER.finditer(text))
        codes = [self._code(each) for each in found]
        is_dash = [each.group() == "-" for each in found]
        ranges, at = [], 0
        while at < len(codes):
            if at + 2 < len(codes) and is_dash[at + 1]:
                if codes[at] > codes[at + 2]:
                    raise self._fault("a range ends before it begins")
                ranges.append((codes[at], codes[at + 2]))
                at += 3
            else:
                ranges.append((codes[at], codes[at]))
                at += 1
        return ranges

    def _characters(self, text: str) -> list[int]:
        return [self._code(each) for each in _CHARACTER.finditer(text)]

    def _code(self, found: re.Match[str]) -> int:
        digits = found["x"] or found["u"] or found["U"]
        if digits:
            code = int(digits, 16)
            if code > ANY.ranges[0][1]:
                raise self._fault("there is no such character")
            return code
        if found["one"]:
            return ord(_ESCAPES.get(found["one"], found["one"]))
        return ord(found["self"])

    def _peek(self) -> re.Match[str] | None:
        at = self.at
        found = self._next()
        self.at = at if found is None else found.start()
        return found

    def _next(self) -> re.Match[str] | None:
        while self.at < len(self.text):
            found = _PIECE.match(self.text, self.at)
            if found is None:
                raise self._fault("it cannot be read from here")
            self.at = found.end()
            if not found["space"]:
                return found
        return None

    def _fault(self, what: str) -> BadRequest:
        line = self.text.count("\n", 0, self.at) + 1
        near = self.text[max(0, self.at - 12) : self.at + 12].strip()
        return BadRequest(f"line {line} of the grammar, near {near!r}: {what}")


def _repeated(part: Expression, found: re.Match[str]) -> Expression:
    match found["repeat"]:
        case "?":
            return Repeat(part, 0, 1)
        case "*":
            return Repeat(part)
        case "+":
            return Repeat(part, 1)
    least = int(found["least"])
    if not found["comma"]:
        return Repeat(part, least, least)
    most = int(found["most"]) if found["most"] else None
    if most is not None and most < least:
        raise BadRequest(f"the grammar repeats something {least} to {most} times: swap the numbers")
    return Repeat(part, least, most)


__all__ = ["grammar_of", "read_grammar"]
