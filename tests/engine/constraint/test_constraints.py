"""What constraints allow: choices, numbers, identifiers, grammars and JSON schemas."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api import IDENTIFIER, NUMBER, BadRequest, Constraint, FillRequest
from engine.constraint import automaton_of, written

POINT = json.dumps(
    {
        "type": "object",
        "properties": {
            "x": {"type": "integer"},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2},
            "note": {"type": ["string", "null"], "maxLength": 3},
        },
        "required": ["x"],
    }
)
TREE = json.dumps(
    {
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "value": {"type": "number"},
                    "below": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["value"],
            }
        },
        "$ref": "#/$defs/node",
    }
)
LIST = r"""
root  ::= "[" ws (item ("," ws item)*)? "]"   # a list
item  ::= word | number
word  ::= "'" [^'\n]+ "'"
number ::= [0-9]{1,3} ("." [0-9]{2})?
ws    ::= [ \t]*
"""
CASES: list[tuple[str, Constraint, list[str], list[str]]] = [
    ("choices", Constraint(("RED", "REDDER", "")), ["RED", "REDDER", ""], ["RE", "REDD", "red"]),
    ("choices of other scripts", Constraint(("größe", "🙂")), ["größe", "🙂"], ["große", ""]),
    ("a number", NUMBER, ["0", "-1", "20.5", "3e-8", "-0.25E+2"], ["", "01", "1.", ".5", "1e"]),
    ("an identifier", IDENTIFIER, ["x", "_a1", "CamelCase"], ["", "1a", "a-b", "a b", "é"]),
    ("a list", Constraint(grammar=LIST), ["[]", "[ 'a b', 12.50]", "[1,2,333]"],
     ["[1,]", "[1234]", "['a\nb']", "[ ]]", "[1.5]"]),
    ("nested", Constraint(grammar='root ::= "(" root ")" | [a-c]'), ["a", "((b))", "((((c))))"],
     ["(a", "d", "()", "((((((a))))))"]),
    ("left recursion", Constraint(grammar='root ::= root "+" "1" | "1"'), ["1", "1+1", "1+1+1"],
     ["", "+1", "1+"]),
    ("escapes", Constraint(grammar=r'root ::= "\"\\\n\x41" [\]\-\u00e9^]? .'),
     ['"\\\nA]x', '"\\\nA-é'],
     ['"\\nA', '"\\\nB]']),
    ("counted", Constraint(grammar='root ::= "a"{2} "b"{1,} "c"{0,2}'), ["aab", "aabbcc"],
     ["ab", "aa", "aabccc"]),
    ("an object", Constraint(schema=POINT),
     ['{"x": 1}', '{"x":-20,"tags":[]}', '{"x": 1, "tags": ["a", "b"], "note": "\\n\\u00e9."}',
      '{"x":0,"note":null}'],
     ["{}", '{"x":1,}', '{"x":01}', '{"x":1,"tags":["c"]}', '{"x":1,"tags":["a","a","a"]}',
      '{"x":1,"note":"abcd"}', '{"tags":[],"x":1}', '{"x":1.5}']),
    ("a tree", Constraint(schema=TREE),
     ['{"value":1}', '{"value":1e3,"below":[{"value":2,"below":[]},{"value":3}]}'],
     ['{"value":"1"}', '{"below":[]}', '{"value":1,"below":[{}]}']),
    ("enum and const",
     Constraint(schema='{"anyOf": [{"enum": [1, "a", null]}, {"const": [true]}]}'),
     ["1", '"a"', "null", "[true]"], ["a", "[false]", "true"]),
    ("a boolean", Constraint(schema='{"type": "boolean"}'), ["true", "false"], ["True", ""]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "constraint", "right", "wrong"), CASES, ids=[c[0] for c in CASES])
def test_what_is_allowed(
    name: str, constraint: Constraint, right: list[str], wrong: list[str]
) -> None:
    automaton = automaton_of(constraint)
    assert [text for text in right if not automaton.accepts(text)] == []
    assert [text for text in wrong if automaton.accepts(text)] == []


@pytest.mark.parametrize(("name", "constraint", "right", "wrong"), CASES, ids=[c[0] for c in CASES])
def test_what_stands_around_belongs_to_it(
    name: str, constraint: Constraint, right: list[str], wrong: list[str]
) -> None:
    automaton = automaton_of(constraint, "Color.", ")")
    assert all(automaton.accepts(f"Color.{text})") for text in right)
    assert not any(automaton.accepts(f"Color.{text})") for text in wrong)
    assert not any(automaton.accepts(text) for text in right)


MISTAKES = [
    ("no root", {"grammar": 'a ::= "x"'}, "no rule root"),
    ("a missing rule", {"grammar": 'root ::= other "x"'}, "no rule other"),
    ("no end of a group", {"grammar": 'root ::= ("x"'}, "no )"),
    ("a second rule", {"grammar": 'root ::= "x"\nroot ::= "y"'}, "line 2"),
    ("nothing to repeat", {"grammar": "root ::= *"}, "nothing before it"),
    ("no notation", {"grammar": "root ::= 'x'"}, "cannot be read"),
    ("a range turned round", {"grammar": "root ::= [z-a]"}, "ends before it begins"),
    ("no text at all", {"grammar": 'root ::= "(" root ")"'}, "allows no text"),
    ("too large", {"grammar": "root ::= .{0,90000}"}, "too large"),
    ("no JSON", {"schema": "{"}, "no JSON"),
    ("no type", {"schema": "{}"}, "leaves a value open"),
    ("an unknown type", {"schema": '{"type": "date"}'}, "'date'"),
    ("a pattern", {"schema": '{"type": "string", "pattern": "a+"}'}, "pattern cannot be kept to"),
    ("any members", {"schema": '{"type": "object", "additionalProperties": true}'}, "additional"),
    ("an unknown reference", {"schema": '{"$ref": "#/$defs/x"}'}, "#/$defs/x"),
    ("required, not described", {"schema": '{"type": "object", "required": ["a"]}'}, "requires a"),
]


@pytest.mark.parametrize(("name", "given_", "words"), MISTAKES, ids=[c[0] for c in MISTAKES])
def test_what_cannot_be_understood_is_named(name: str, given_: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words.replace("$", r"\$").replace(")", r"\)")):
        automaton_of(Constraint(**given_))


@pytest.mark.parametrize("fields", [{}, {"choices": ("a",), "schema": "{}"}])
def test_a_constraint_says_one_thing(fields: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match="one of them"):
        Constraint(**fields)


def test_there_is_one_for_each_hole() -> None:
    with pytest.raises(BadRequest, match="2 holes need 2 constraints"):
        FillRequest(("a", "b", "c"), constraint=(NUMBER,))
    assert FillRequest(("a", "b")).constraints == (None,)


VALUES = st.recursive(
    st.sampled_from(
        [{"type": "integer"}, {"type": "string"}, {"type": "boolean"}, {"type": "null"},
         {"enum": ["x", 2]}]
    ),
    lambda inner: st.one_of(
        st.builds(lambda item: {"type": "array", "items": item}, inner),
        st.builds(
            lambda a, b: {"type": "object", "properties": {"a": a, "b": b}, "required": ["a"]},
            inner, inner,
        ),
    ),
    max_leaves=4,
)  # fmt: skip


def example_of(schema: Any, draw: Any) -> Any:
    if "enum" in schema:
        return draw(st.sampled_from(schema["enum"]))
    match schema["type"]:
        case "integer":
            return draw(st.integers())
        case "string":
            return draw(st.text(max_size=5))
        case "boolean":
            return draw(st.booleans())
        case "null":
            return None
        case "array":
            return [example_of(schema["items"], draw) for _ in range(draw(st.integers(0, 3)))]
    members = {name: example_of(each, draw) for name, each in schema["properties"].items()}
    if draw(st.booleans()):
        members.pop("b")
    return members


@given(st.data(), VALUES)
def test_what_a_schema_describes_is_allowed_and_its_beginning_is_not(
    data: st.DataObject, schema: Any
) -> None:
    automaton = automaton_of(Constraint(schema=json.dumps(schema)))
    value = example_of(schema, data.draw)
    for text in (json.dumps(value), json.dumps(value, separators=(",", ":"), ensure_ascii=False)):
        assert automaton.accepts(text)
        assert not automaton.accepts(f"{text},")
        assert not (text[:1] in "[{" and automaton.accepts(text[:-1]))


@pytest.mark.parametrize(("name", "constraint", "right", "wrong"), CASES, ids=[c[0] for c in CASES])
def test_written_as_a_grammar_it_allows_the_same(
    name: str, constraint: Constraint, right: list[str], wrong: list[str]
) -> None:
    automaton = automaton_of(Constraint(grammar=written(constraint)))
    assert [text for text in right if not automaton.accepts(text)] == []
    assert [text for text in wrong if automaton.accepts(text)] == []
