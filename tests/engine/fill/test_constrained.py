"""Fills obey their constraints: whatever the model believes, in every order, at every seam."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api import IDENTIFIER, NUMBER, BadRequest, Constraint, Fill, FillRequest, Shape
from engine.client.wire import request_from_json, request_to_json
from engine.constraint import automaton_of
from engine.denoise.rules.joint import OPEN
from engine.fill.infill import LocalEngine
from engine.fill.language import TokenLanguage
from engine.fill.load import load_engine
from engine.fill.token_texts import TokenTexts
from tests.engine.fill.filling import STYLES
from tests.engine.models import tiny_dream
from tests.engine.models.tiny_dream import DREAM, DREAM_ON

COLORS = Constraint(("RED", "GREEN", "BLUE", "GREENISH"))
OBJECT = Constraint(
    schema='{"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}'
)
NESTED = Constraint(grammar='root ::= "(" root ")" | [a-z] | "\\n" [0-9]')
LINE = {"shape": Shape.LINE, "max_tokens": 12}
REQUESTS: dict[str, FillRequest] = {
    "an enum's member": FillRequest(
        ("RED = 1\ncolor = Color.", "\n"), constraint=(COLORS,), **LINE
    ),
    "behind a word broken off": FillRequest(
        ("import os\nname = os.pa", "(x)\n"),
        constraint=(Constraint(("th", "thlib", "rdir")),),
        **LINE,
    ),
    "a number": FillRequest(("x = [1, 2, ", ", 4]\n"), constraint=(NUMBER,), **LINE),
    "a name": FillRequest(("from os import ", "\n"), constraint=(IDENTIFIER,), **LINE),
    "JSON": FillRequest(("point = ", "\n"), constraint=(OBJECT,), **LINE),
    "a grammar, several lines": FillRequest(
        ("f", "\n"), constraint=(NESTED,), shape=Shape.BLOCK, max_tokens=9
    ),
    "nothing is a choice": FillRequest(
        ("a = b", "\n"), constraint=(Constraint(("", "x")),), **LINE
    ),
    "two holes": FillRequest(
        ("a = ", " + ", "\n"), constraint=(NUMBER, Constraint(("foo", "b")),), **LINE
    ),
    "one of two holes": FillRequest(("a = ", "\nb = ", "\n"), constraint=(None, COLORS), **LINE),
    "a draft that does not obey": FillRequest(
        ("c = ", "\n"), draft=("PINK",), constraint=(COLORS,), **LINE
    ),
    "an empty file": FillRequest(("", ""), constraint=(COLORS,), **LINE),
    "the line below": FillRequest(("x = ", "\nx = RED\n"), constraint=(COLORS,), **LINE),
}  # fmt: skip
ORDERS = {
    "confidence": DREAM.but(order="confidence"),
    "margin": DREAM.but(order="margin", top_p=0.95),
    "p2": DREAM.but(order="p2", greedy=False, t_max=0.6, t_min=0.6, top_p=0.95),
    "grows": DREAM_ON,
    "two tokens a step": DREAM_ON.but(order="confidence", tokens_per_step=2),
}


def obeys(fill: Fill, request: FillRequest) -> bool:
    """Every alternative that several holes, or one, have been given."""
    return all(
        constraint is None or automaton_of(constraint).accepts(text)
        for each in (fill.texts, *(each.texts for each in fill.alternatives))
        for constraint, text in zip(request.constraints, each, strict=True)
    )


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], LocalEngine]:
    known: dict[str, LocalEngine] = {}

    def get(name: str) -> LocalEngine:
        if name not in known:
            folder: Path = tmp_path_factory.mktemp("models") / "dream"
            known[name] = load_engine(str(tiny_dream.write(folder, ORDERS[name])), "cpu")
        return known[name]

    return get


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("style", [*STYLES, "sampled", "left, sampled"])
def test_with_slack_and_without(style: str, name: str, engines: Callable[..., LocalEngine]) -> None:
    engine = {
        "sampled": lambda: engines("exact", greedy=False),
        "left, sampled": lambda: engines("slack", greedy=False, t_max=1.5, t_min=1.0),
    }.get(style, lambda: engines(style))()
    for seed in range(2):
        request = replace(REQUESTS[name], seed=seed)
        fill = engine.fill(request)
        assert obeys(fill, request)
        assert engine.fill(request).texts == fill.texts


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("order", ORDERS)
def test_masked_models_in_every_order(
    order: str, name: str, masked: Callable[[str], LocalEngine]
) -> None:
    assert obeys(masked(order).fill(REQUESTS[name]), REQUESTS[name])


@pytest.fixture(scope="module")
def embedded() -> LocalEngine:
    return load_engine("embedded", "cpu")


SHIPPED = [
    ("python", ("class Color(Enum):\n    RED = 1\n    GREEN = 2\n\ncolor = Color.", "\n"), COLORS),
    ("go", ("package main\n\nvar x = [3]int{1, 2, ", "}\n"), NUMBER),
    ("javascript", ("const { join } = require(", ");\n"), Constraint(('"path"', '"fs"'))),
    ("python", ('label = "', '"\n'), Constraint(("🙂", "naïve", "日本"))),
]  # fmt: skip


@pytest.mark.parametrize(("language", "texts", "constraint"), SHIPPED)
def test_the_model_that_ships(
    language: str, texts: tuple[str, ...], constraint: Constraint, embedded: LocalEngine
) -> None:
    request = FillRequest(
        texts, language=language, shape=Shape.LINE, max_tokens=16, constraint=(constraint,)
    )
    fill = embedded.fill(request)
    assert obeys(fill, request)
    assert fill.texts[0]


MISTAKES = [
    ("too long", Constraint(("a_name_that_takes_many_more_tokens",)), "at most 2 tokens"),
    ("a line in two", Constraint(("a\nb",)), "at most 2 tokens"),
    ("no grammar", Constraint(grammar="root ="), "line 1"),
]


@pytest.mark.parametrize(("name", "constraint", "words"), MISTAKES, ids=[c[0] for c in MISTAKES])
@pytest.mark.parametrize("style", STYLES)
def test_what_nothing_can_obey_is_an_error(
    style: str, name: str, constraint: Constraint, words: str, engines: Callable[..., LocalEngine]
) -> None:
    request = FillRequest(("x = ", "\n"), shape=Shape.LINE, max_tokens=2, constraint=(constraint,))
    with pytest.raises(BadRequest, match=words):
        engines(style).fill(request)


@pytest.mark.parametrize("name", REQUESTS)
def test_it_crosses_the_wire(name: str) -> None:
    request = REQUESTS[name]
    assert request_from_json(json.loads(json.dumps(request_to_json(request)))) == request


@pytest.mark.parametrize("given_", [["x"], [{"choices": "RED"}], [{}], [{"pattern": "x"}], "x"])
def test_what_is_no_constraint_is_refused(given_: Any) -> None:
    with pytest.raises(BadRequest):
        request_from_json({"texts": ["a", "b"], "constraint": given_})


# Tokens of a small language: rows of them can be counted.
PIECES = ["a", "b", "ab", "ba", "(", ")", "()", None, "", "\n"]
SLACK = 7
SMALL = [
    Constraint(("ab", "abab", "b")),
    Constraint(grammar='root ::= "(" root ")" | "a" "b"?'),
    Constraint(grammar="root ::= [ab]{0,3}"),
]


def rows(language: TokenLanguage, constraint: Constraint, length: int, slack: bool) -> Any:
    """All rows of tokens of a length, found by trying each."""
    automaton = automaton_of(constraint)
    for row in itertools.product(range(len(PIECES)), repeat=length):
        kept = list(itertools.takewhile(lambda token: token != SLACK, row))
        rest = set(row[len(kept) :])
        texts = [PIECES[token] for token in kept]
        is_row = (not rest or (slack and rest == {SLACK})) and all(texts)
        if is_row and automaton.accepts("".join(text or "" for text in texts)):
            yield row


@settings(max_examples=60)
@given(
    st.sampled_from(SMALL),
    st.integers(1, 4),
    st.booleans(),
    st.lists(st.integers(OPEN, 8), min_size=4, max_size=4),
    st.integers(0, 1000),
)
def test_what_may_stand_is_what_some_row_has(
    constraint: Constraint, length: int, slack: bool, known: list[int], seed: int
) -> None:
    texts = TokenTexts(PIECES, torch.device("cpu"))
    banned = torch.tensor([text == "\n" for text in PIECES])
    automaton = automaton_of(constraint)
    language = TokenLanguage(automaton, texts, banned, SLACK if slack else None)
    there = list(rows(language, constraint, length, slack))
    assert (length in language.lengths(4)) == bool(there)
    given_ = tuple(known[:length])
    fitting = [
        row for row in there if all(g in (OPEN, t) for g, t in zip(given_, row, strict=True))
    ]
    expected = torch.zeros(length, len(PIECES), dtype=torch.bool)
    for row in fitting:
        expected[range(length), list(row)] = True
    permitted = language.permitted(given_)
    assert torch.equal(permitted, expected)
    if fitting:
        scores = torch.randn(
            length, len(PIECES), generator=torch.Generator().manual_seed(seed)
        ).masked_fill(~permitted, -torch.inf)
        found = tuple(language.likeliest(scores).tolist())
        assert found in fitting
        if not slack:  # with it, whether to end is another question
            total = [float(sum(scores[range(length), list(row)])) for row in fitting]
            assert found == fitting[total.index(max(total))]
