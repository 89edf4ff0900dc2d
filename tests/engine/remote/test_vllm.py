"""A canvas whose sides are pinned, on a server that refuses and answers as a real vLLM does."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from engine.api import Draft, FillRequest, Shape
from engine.remote import load_remote
from tests.engine.remote.diffusion import DIFFUSION, VOCABULARY, DiffusionServer
from tests.engine.remote.team import LINE, Answer, Handler, Team, not_found, status, stream


@pytest.fixture
def vllm(team: Team) -> DiffusionServer:
    return DiffusionServer(team)


def canvases(team: Team) -> list[dict[str, Any]]:
    """What was asked for with fills, not to learn what the server is."""
    options = [body.get("vllm_xargs", {}) for body in team.bodies()]
    return [each for each in options if "diffusion_canvas_length" in each]


def test_both_sides_are_pinned_and_the_best_length_wins(team: Team, vllm: DiffusionServer) -> None:
    drafts: list[Draft] = []
    fill = load_remote(f"{team.address}/v1#{DIFFUSION}").fill(LINE, drafts.append)
    assert fill.texts == ("abcdef",)  # cut at the end of text, without special tokens
    assert sorted(each.texts[0] for each in fill.alternatives) == ["abcd", "abcdef", "abcdef"]
    assert drafts[-1].texts == ("abcdef",)
    assert fill.confidence == pytest.approx(math.exp(7 * -0.1))  # six letters and the end
    assert len(canvases(team)) == 3
    for options in canvases(team):
        ids, pinned = options["diffusion_seed_canvas"], options["diffusion_pinned"]
        assert len(ids) == options["diffusion_canvas_length"]
        assert "".join(chr(ids[at]) for at in pinned) == "    return \n"
        assert pinned == [*range(11), len(ids) - 1]
        assert max(ids) < VOCABULARY  # as the server told
    for body in team.bodies():
        assert not {"seed", "temperature"} & body.keys()


def test_the_name_of_a_special_token_is_text(team: Team, vllm: DiffusionServer) -> None:
    odd = FillRequest(('ENDS = ("<eos>", ', ', "<turn|>", "<pad>")\n'), shape=Shape.LINE)
    load_remote(f"{team.address}#{DIFFUSION}").fill(odd)
    options = canvases(team)[0]
    ids, pinned = options["diffusion_seed_canvas"], options["diffusion_pinned"]
    assert "".join(chr(ids[at]) for at in pinned) == "".join(odd.texts)


def test_the_same_request_begins_with_the_same_noise(team: Team, vllm: DiffusionServer) -> None:
    engine = load_remote(f"{team.address}/v1#{DIFFUSION}")
    for _ in range(2):
        engine.fill(FillRequest(LINE.texts, max_tokens=4, seed=3, steps=2))
    first, second = canvases(team)
    assert first == second
    assert first["diffusion_max_steps"] == 2


@pytest.mark.parametrize("length", [6, 12, 24, 60, 128])
@pytest.mark.parametrize("shape", [Shape.LINE, Shape.BLOCK])
def test_no_canvas_is_longer_than_the_served_one(team: Team, length: int, shape: Shape) -> None:
    DiffusionServer(team, canvas=length)
    long = FillRequest(("x" * 99, "y" * 99), shape=shape)
    load_remote(f"{team.address}#{DIFFUSION}").fill(long)
    for options in canvases(team):
        ids, pinned = options["diffusion_seed_canvas"], options["diffusion_pinned"]
        assert len(ids) <= length
        text = "".join(chr(ids[at]) for at in pinned)
        assert len(text) == min(len(ids) - (len(ids) - len(pinned)), 32 + 24)


def without_canvases(vllm: DiffusionServer, team: Team) -> None:
    vllm.knows_canvases = False  # an older vLLM: takes the options and does nothing with them


def without_tokenizer(vllm: DiffusionServer, team: Team) -> None:
    team.on("/tokenize", not_found)


def without_gemma(vllm: DiffusionServer, team: Team) -> None:
    """Another diffusion model: its tokenizer knows no <eos>."""
    team.on("/tokenize", lambda handler: handler.json({"tokens": [9] * 5}))


@pytest.mark.parametrize("change", [without_canvases, without_tokenizer, without_gemma])
def test_else_it_is_asked_in_words(team: Team, vllm: DiffusionServer, change: Any) -> None:
    """Without what is refused for a diffusion model, which would end the stream after a 200."""
    change(vllm, team)
    engine = load_remote(f"{team.address}#{DIFFUSION}")
    for _ in range(2):
        assert engine.fill(LINE).texts == ("a + b",)
    assert canvases(team) == []
    assert not {"seed", "temperature"} & team.bodies()[-1].keys()


def test_an_ordinary_model_on_a_vllm_is_asked_in_words(team: Team, vllm: DiffusionServer) -> None:
    assert load_remote(f"{team.address}#some/coder").fill(LINE).texts == ("a + b",)
    assert {"seed", "temperature"} <= team.bodies()[-1].keys()


@pytest.mark.parametrize(
    "refusal",
    [
        status(400, "a narrower canvas requires --async-scheduling"),
        lambda handler: handler.json({"choices": [{"message": {"content": "hm"}}]}),
    ],
    ids=["refused", "ignored"],
)
def test_a_refusal_after_all_ends_the_canvases(
    team: Team, vllm: DiffusionServer, refusal: Answer
) -> None:
    engine = load_remote(f"{team.address}#{DIFFUSION}")

    def answer(handler: Handler) -> None:
        (refusal if "vllm_xargs" in handler.body else stream("a + b"))(handler)

    team.chat(answer)
    for _ in range(2):
        assert engine.fill(replace(LINE, candidates=1)).texts == ("a + b",)
    assert ["vllm_xargs" in body for body in team.bodies()[-3:]] == [True, False, False]
