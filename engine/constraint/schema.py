"""JSON schemas as expressions: compact JSON, with at most one space after a comma or a colon.

Understood are `type`, `enum`, `const`, `anyOf` and `oneOf`, `$ref` to `$defs` or `definitions`, of
strings `minLength` and `maxLength`, of arrays `items`, `minItems` and `maxItems`, of objects
`properties` and `required`: those that are named, in their order, and no others. What else is a
restriction is refused by its name, because a fill that ignored it would not obey.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.api import BadRequest
from engine.constraint.expression import (
    ROOT,
    Characters,
    Either,
    Expression,
    Grammar,
    Repeat,
    Rule,
    Sequence,
    Text,
    between,
    one_of,
    optional,
)

_DIGIT = between("09")
_INTEGER = Sequence(
    (
        optional(Text("-")),
        Either((Text("0"), Sequence((between("19"), Repeat(_DIGIT))))),
    )
)
_NUMBER = Sequence(
    (
        _INTEGER,
        optional(Sequence((Text("."), Repeat(_DIGIT, 1)))),
        optional(Sequence((one_of("eE"), optional(one_of("+-")), Repeat(_DIGIT, 1)))),
    )
)
_PLAIN = Characters.of((0, 0x1F), (ord('"'), ord('"')), (ord("\\"), ord("\\"))).others()
_CHARACTER = Either(
    (
        _PLAIN,
        Sequence((Text("\\"), one_of('"\\/bfnrt'))),
        Sequence((Text("\\u"), Repeat(between("09", "af", "AF"), 4, 4))),
    )
)
_COMMA = Sequence((Text(","), optional(Text(" "))))
_COLON = Sequence((Text(":"), optional(Text(" "))))

# What says nothing of which JSON is meant.
_NOTES = frozenset(
    ("$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default",
     "examples", "deprecated", "readOnly", "writeOnly")
)  # fmt: skip
_OF_TYPES: Mapping[str, frozenset[str]] = {
    "string": frozenset(("minLength", "maxLength")),
    "array": frozenset(("items", "minItems", "maxItems")),
    "object": frozenset(("properties", "required", "additionalProperties")),
    "number": frozenset(),
    "integer": frozenset(),
    "boolean": frozenset(),
    "null": frozenset(),
}
_OF_REFERENCES = ("#/$defs/", "#/definitions/")


def grammar_of_schema(text: str) -> Grammar:
    """Raises BadRequest for what is no JSON schema, or says more than is understood."""
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise BadRequest(f"the schema is no JSON: {error}") from error
    rules: dict[str, Expression] = {}
    if isinstance(schema, dict):
        for kind in ("$defs", "definitions"):
            for name, each in _object(schema.get(kind, {}), kind).items():
                rules[f"#/{kind}/{name}"] = _expression(each)
        # A reference to the whole of it.
        rules["#"] = _expression(schema)
        return Grammar({**rules, ROOT: Rule("#")}) if _is_whole(rules) else _missing(rules)
    return Grammar({ROOT: _expression(schema)})


def _is_whole(rules: Mapping[str, Expression]) -> bool:
    return all(name in rules for each in rules.values() for name in _references(each))


def _missing(rules: Mapping[str, Expression]) -> Grammar:
    named = {name for each in rules.values() for name in _references(each)}
    raise BadRequest(f"the schema has no {', '.join(sorted(named - rules.keys()))}: define it")


def _references(expression: Expression) -> list[str]:
    match expression:
        case Rule(name):
            return [name]
        case Sequence(parts) | Either(parts):
            return [name for part in parts for name in _references(part)]
        case Repeat(part):
            return _references(part)
    return []


def _expression(schema: Any) -> Expression:
    if schema is True or schema == {}:
        raise BadRequest("the schema leaves a value open: give its `type`")
    given = {name: value for name, value in _object(schema, "a schema").items()
             if name not in _NOTES}  # fmt: skip
    if "$ref" in given:
        return _only(given, "$ref", lambda name: Rule(_reference(name)))
    for name in ("anyOf", "oneOf"):
        if name in given:
            return _only(given, name, lambda parts: Either(tuple(map(_expression, _list(parts)))))
    if "const" in given:
        return _value(given["const"])
    if "enum" in given:
        return Either(tuple(map(_value, _list(given["enum"]))))
    kinds = given.pop("type", None)
    if kinds is None:
        kinds = "object" if "properties" in given else "array" if "items" in given else None
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if unknown := [each for each in kinds if each not in _OF_TYPES]:
        raise BadRequest(f"the schema has the type {unknown[0]!r}: give one of JSON's")
    known = frozenset().union(*(_OF_TYPES[each] for each in kinds))
    if more := sorted(given.keys() - known):
        raise BadRequest(f"the schema's {', '.join(more)} cannot be kept to: leave it out")
    parts = tuple(_typed(each, given) for each in kinds)
    return parts[0] if len(parts) == 1 else Either(parts)


def _typed(kind: str, given: Mapping[str, Any]) -> Expression:
    match kind:
        case "string":
            least, most = _bounds(given, "Length")
            return Sequence((Text('"'), Repeat(_CHARACTER, least, most), Text('"')))
        case "integer":
            return _INTEGER
        case "number":
            return _NUMBER
        case "boolean":
            return Either((Text("true"), Text("false")))
        case "array":
            return _array(given)
        case "object":
            return _members(given)
    return Text("null")


def _array(given: Mapping[str, Any]) -> Expression:
    least, most = _bounds(given, "Items")
    if most == 0:
        return Text("[]")
    item = _expression(given.get("items", True))
    rest = Repeat(Sequence((_COMMA, item)), max(0, least - 1), None if most is None else most - 1)
    some = Sequence((Text("["), item, rest, Text("]")))
    return some if least else Either((Text("[]"), some))


def _members(given: Mapping[str, Any]) -> Expression:
    """The properties in their order; those that are not required may be left out."""
    properties = _object(given.get("properties", {}), "properties")
    required = set(_list(given.get("required", [])))
    if given.get("additionalProperties", False) is not False:
        raise BadRequest("the schema's additionalProperties cannot be kept to: make it false")
    if missing := sorted(required - properties.keys()):
        raise BadRequest(f"the schema requires {', '.join(missing)}, which it does not describe")
    # `first` is what may follow `{`, `later` what may follow another member.
    first: Expression = Text("")
    later: Expression = Text("")
    for name, schema in reversed(properties.items()):
        member = Sequence((Text(json.dumps(name)), _COLON, _expression(schema)))
        begins, goes_on = Sequence((member, later)), Sequence((_COMMA, member, later))
        first = begins if name in required else Either((begins, first))
        later = goes_on if name in required else Either((goes_on, later))
    return Sequence((Text("{"), first, Text("}")))


def _value(value: Any) -> Expression:
    return Text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _bounds(given: Mapping[str, Any], what: str) -> tuple[int, int | None]:
    least, most = given.get(f"min{what}", 0), given.get(f"max{what}")
    if not isinstance(least, int) or not isinstance(most, int | None) or least < 0:
        raise BadRequest(f"the schema's min{what} and max{what} are numbers of characters or items")
    if most is not None and most < least:
        raise BadRequest(f"the schema's max{what} is less than its min{what}: swap them")
    return least, most


def _reference(name: Any) -> str:
    if name == "#" or (isinstance(name, str) and name.startswith(_OF_REFERENCES)):
        return str(name)
    raise BadRequest(f"the schema refers to {name!r}: only #/$defs/... can be followed")


def _only(given: Mapping[str, Any], name: str, read: Any) -> Expression:
    if more := sorted(given.keys() - {name, "type"}):
        raise BadRequest(f"the schema's {', '.join(more)} beside {name} cannot be kept to")
    expression: Expression = read(given[name])
    return expression


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest(f"the schema has {value!r} where {what} should be: give an object")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise BadRequest(f"the schema has {value!r} where a list should be: give one")
    return value


__all__ = ["grammar_of_schema"]
