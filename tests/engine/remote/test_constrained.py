"""Constraints on servers: which ways keep to them, by which parameter, and which say that they
cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.api import NUMBER, CannotConstrain, Constraint, EngineError
from engine.constraint import written
from engine.remote import load_remote
from engine.remote.families import family_named
from tests.engine.remote.coders import CODER, Completions, llama_cpp, mistral, ollama
from tests.engine.remote.team import LINE, Team, stream
from tests.engine.remote.test_fim import pattern_of, tokens_of

SUM = Constraint(("a + b", "a * b"))
GRAMMAR = Constraint(grammar='root ::= "a" " +"? " b"')


def served_by(owner: str) -> Callable[[Team], None]:
    def put(team: Team) -> None:
        team.models[:] = [{"id": CODER, "owned_by": owner}]
        Completions(team, tokens_of(family_named("qwen")), pattern_of(family_named("qwen")))
        team.chat(lambda handler: handler.json({"choices": [{"message": {"content": "."}}]}))

    return put


KEEP: list[tuple[str, Callable[[Team], None], str, Constraint, str, Any]] = [
    ("llama.cpp", llama_cpp, "/infill", SUM, "grammar", written(SUM)),
    ("llama.cpp, a grammar", llama_cpp, "/infill", GRAMMAR, "grammar", GRAMMAR.grammar),
    ("vLLM", served_by("vllm"), "/v1/completions", SUM, "structured_outputs",
     {"choice": ["a + b", "a * b"]}),
    ("vLLM, a grammar", served_by("vllm"), "/v1/completions", GRAMMAR, "structured_outputs",
     {"grammar": GRAMMAR.grammar}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "put", "path", "constraint", "parameter", "value"), KEEP, ids=[c[0] for c in KEEP]
)
def test_a_server_is_told(
    team: Team,
    name: str,
    put: Callable[[Team], None],
    path: str,
    constraint: Constraint,
    parameter: str,
    value: Any,
) -> None:
    put(team)
    engine = load_remote(f"{team.address}#{CODER}")
    fill = engine.fill(replace(LINE, constraint=(constraint,)))
    assert fill.texts == ("a + b",)
    assert team.bodies(path)[-1][parameter] == value
    engine.fill(LINE)
    assert parameter not in team.bodies(path)[-1]


def test_what_a_server_does_not_keep_to_is_an_error(team: Team) -> None:
    llama_cpp(team)
    engine = load_remote(f"{team.address}#{CODER}")
    with pytest.raises(EngineError, match="does not allow"):
        engine.fill(replace(LINE, constraint=(NUMBER,)))
    assert engine.fill(LINE).texts == ("a + b",)


CANNOT = [
    ("ollama", ollama, "qwen2.5-coder", "/api/generate"),
    ("mistral", mistral, "codestral", "/fim/completions"),
    ("completions of who knows", served_by("somebody"), CODER, "qwen"),
    ("chat", lambda team: team.chat(stream("in words")), "", "chat"),
]


@pytest.mark.parametrize(("name", "put", "model", "way"), CANNOT, ids=[c[0] for c in CANNOT])
def test_a_way_that_cannot_says_so_by_name(
    team: Team, name: str, put: Callable[[Team], None], model: str, way: str
) -> None:
    put(team)
    engine = load_remote(f"{team.address}#{model}" if model else team.address)
    before = engine.info.way
    with pytest.raises(CannotConstrain, match=f"{way}.*cannot keep a fill to a constraint"):
        engine.fill(replace(LINE, constraint=(SUM,)))
    assert engine.info.way == before
