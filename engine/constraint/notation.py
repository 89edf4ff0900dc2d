"""A constraint written as a grammar in GBNF, for servers that keep to one."""

from __future__ import annotations

from engine.api import Constraint
from engine.constraint.expression import (
    ROOT,
    Characters,
    Either,
    Expression,
    Repeat,
    Rule,
    Sequence,
    Text,
)
from engine.constraint.grammar import grammar_of

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def written(constraint: Constraint) -> str:
    """Raises BadRequest for a constraint that cannot be understood."""
    if constraint.grammar is not None:
        grammar_of(constraint)
        return constraint.grammar
    rules = grammar_of(constraint).rules
    # A schema's names are no names of rules.
    names = {name: name if name == ROOT else f"r{number}" for number, name in enumerate(rules)}
    lines = [f"{names[name]} ::= {_written(each, names)}" for name, each in rules.items()]
    return "\n".join(lines) + "\n"


def _written(expression: Expression, names: dict[str, str]) -> str:
    match expression:
        case Text(text):
            return '"' + "".join(_ESCAPES.get(each, each) for each in text) + '"'
        case Characters(ranges):
            return "[" + "".join(f"{_code(first)}-{_code(last)}" for first, last in ranges) + "]"
        case Sequence(parts):
            return "(" + " ".join(_written(each, names) for each in parts) + ")"
        case Either(parts):
            return "(" + " | ".join(_written(each, names) for each in parts) + ")"
        case Repeat(part, least, most):
            times = f"{{{least},{'' if most is None else most}}}"
            return f"({_written(part, names)}){times}"
        case Rule(name):
            return names[name]


def _code(code: int) -> str:
    return f"\\U{code:08X}" if code > 0xFFFF else f"\\u{code:04X}"


__all__ = ["written"]
