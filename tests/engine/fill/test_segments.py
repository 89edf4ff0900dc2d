"""What a prompt holds of other files: within its budget, in an order that survives typing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.api import FillRequest, Proposal, Shape, Snippet
from engine.client.wire import request_from_json, request_to_json
from engine.fill.candidates import look_up_candidates
from engine.fill.prefix_cache import common_prefix
from engine.fill.prompt import build_prompt, encode
from engine.fill.segments import plain, snippet_segments
from engine.training.export import default_profile

FAR, NEAR = Snippet("def far(a):\n    return a\n", "/far.py"), Snippet("near = 1\n", "/near.py")
BEFORE = "import os\n\n\ndef f():\n    x = "


def characters(text: str) -> list[int]:
    return list(map(ord, text))


@pytest.mark.parametrize(
    ("budget", "kept"),
    [(0, []), (9, []), (10, [NEAR]), (35, [NEAR]), (36, [FAR, NEAR]), (999, [FAR, NEAR])],
)
def test_the_nearest_snippets_that_fit_in_their_order(budget: int, kept: list[Snippet]) -> None:
    segments = snippet_segments([FAR, NEAR], budget, characters, plain)
    assert [each.text for each in segments] == list(map(plain, kept))
    assert sum(len(each.ids) for each in segments) <= budget


def test_a_snippet_that_is_too_long_leaves_room_for_others() -> None:
    segments = snippet_segments([NEAR, Snippet("x" * 50), Snippet("\n\n")], 20, characters, plain)
    assert [each.text for each in segments] == [plain(NEAR)]


@pytest.mark.parametrize("context_tokens", [0, 1, 8, 30, 500])
def test_a_prompt_keeps_to_its_budgets(tiny: Any, context_tokens: int) -> None:
    profile = default_profile(tiny.settings).but(prompt_tokens=60, context_tokens=context_tokens)
    alone = build_prompt((BEFORE, ""), tiny.tokenizer, profile)
    prompt = build_prompt((BEFORE, ""), tiny.tokenizer, profile, context=(FAR, NEAR))
    assert len(prompt.ids) <= 60
    assert (prompt.head, prompt.suffix, prompt.texts) == (alone.head, alone.suffix, alone.texts)
    if len(prompt.ids) > len(alone.ids):
        assert prompt.ids[0] == profile.tokens.bos
        assert len(prompt.ids) - len(alone.ids) <= context_tokens
        near = encode(tiny.tokenizer, plain(NEAR))
        assert tiny.tokenizer.decode(near) in tiny.tokenizer.decode(prompt.ids)
    else:
        assert prompt.ids == alone.ids


def test_typing_and_a_new_last_snippet_leave_what_stands_before(tiny: Any) -> None:
    profile = default_profile(tiny.settings).but(prompt_tokens=400, context_tokens=200)

    def ids(before: str, *context: Snippet) -> list[int]:
        return build_prompt((before, ""), tiny.tokenizer, profile, context=context).ids

    assert ids(BEFORE, FAR, NEAR) == ids(BEFORE + "typed(", FAR, NEAR)
    far = len(encode(tiny.tokenizer, plain(FAR)))
    edited = ids(BEFORE, FAR, Snippet("near = 2\n"))
    assert common_prefix(ids(BEFORE, FAR, NEAR), edited) > far


def test_proposals_join_the_candidates_and_what_stands_in_the_file_keeps_its_own(
    tiny: Any,
) -> None:
    request = FillRequest(
        ("value = compute(a)\nother = 1\nvalue = comp", "\n"),
        shape=Shape.LINE,
        proposals=(Proposal("ute(a)", 9, 4), Proposal("ose(b)", 5, 2), Proposal("a\nb", 5)),
    )
    profile = default_profile(tiny.settings)
    prompt = build_prompt(request.texts, tiny.tokenizer, profile)
    found = look_up_candidates(request, Shape.LINE, prompt, tiny.tokenizer)
    both, only = found["ute(a)",], found["ose(b)",]
    assert both.match > 0
    assert both.times == 2
    assert both.proposal == request.proposals[0]
    assert (only.match, only.times, only.proposal) == (0, 0, request.proposals[1])
    assert ("a\nb",) not in found  # no line


def test_context_and_proposals_travel() -> None:
    request = FillRequest(("a", "b"), context=(FAR, NEAR), proposals=(Proposal("c", 3, 2),))
    assert request_from_json(json.loads(json.dumps(request_to_json(request)))) == request
