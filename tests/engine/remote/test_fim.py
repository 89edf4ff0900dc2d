"""Fill-in-the-middle by every runtime that knows it, and how each is recognised."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from engine.api import Draft, EngineError, ModelMissing, Shape, Snippet
from engine.remote import exchange, load_remote
from engine.remote import server as remote_server
from engine.remote.families import FAMILIES, Family, family_named, likely
from tests.engine.remote.coders import (
    CODER,
    LOGPROB,
    Completions,
    llama_cpp,
    mistral,
    ollama,
)
from tests.engine.remote.team import LINE, Handler, Team, status, stream

OTHER_FILE = Snippet("class Sum: ...\n", "/home/me/work/sum.py")


def pattern_of(family: Family) -> str:
    """What finds the two texts in a prompt, with other files before or inside."""
    template = re.escape(family.template)
    template = template.replace(r"\{prefix\}", "(?P<prefix>.*)")
    return ".*" + template.replace(r"\{suffix\}", "(?P<suffix>.*)")


def tokens_of(family: Family) -> tuple[str, ...]:
    return (*family.tokens, *family.ends)


def qwen(team: Team) -> None:
    family = family_named("qwen")
    Completions(team, tokens_of(family), pattern_of(family))


RUNTIMES: dict[str, tuple[Callable[[Team], object], str, str]] = {
    "llama.cpp": (llama_cpp, "fill-in-the-middle (/infill)", "/infill"),
    "ollama": (ollama, "fill-in-the-middle (/api/generate)", "/api/generate"),
    "mistral": (mistral, "fill-in-the-middle (/fim/completions)", "/v1/fim/completions"),
    "completions": (qwen, "fill-in-the-middle (qwen)", "/v1/completions"),
}
NAMES = {"mistral": "codestral", "ollama": "qwen2.5-coder"}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_line_is_filled(team: Team, runtime: str) -> None:
    put, way, path = RUNTIMES[runtime]
    put(team)
    engine = load_remote(f"{team.address}#{NAMES.get(runtime, CODER)}")
    assert engine.info.way == way
    assert engine.info.why
    assert engine.info.better
    drafts: list[Draft] = []
    fill = engine.fill(replace(LINE, context=(OTHER_FILE,)), drafts.append)
    assert fill.texts == ("a + b",)
    assert [draft.texts for draft in drafts] == [("a +",), ("a + b",)]
    if runtime != "mistral":  # which gives none
        assert fill.confidence == pytest.approx(math.exp(2 * LOGPROB))
        assert drafts[-1].confidence[0][0].confidence == pytest.approx(math.exp(LOGPROB))
    sent = str(team.bodies(path)[-1])
    assert "class Sum" in sent
    assert "/home" not in sent


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_block_ends_where_its_indentation_does(team: Team, runtime: str) -> None:
    """The text after the line end is less deep than the cursor's line."""
    put, _, path = RUNTIMES[runtime]
    put(team)
    engine = load_remote(f"{team.address}#{NAMES.get(runtime, CODER)}")
    block = replace(LINE, texts=("def f():\n    ", "\n"), shape=Shape.BLOCK)
    assert engine.fill(block).texts == ("a + b",)
    body = team.bodies(path)[-1]
    assert "\n" not in body.get("options", body)["stop"]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_block_that_is_cut_off_loses_its_last_line(team: Team, runtime: str) -> None:
    put, _, _ = RUNTIMES[runtime]
    put(team)
    engine = load_remote(f"{team.address}#{NAMES.get(runtime, CODER)}")
    top = replace(LINE, texts=("", "\n"), shape=Shape.BLOCK, max_tokens=4)
    assert engine.fill(top).texts == ("a + b\nprint(1)",)
    assert engine.fill(replace(top, max_tokens=3)).texts == ("a + b",)


@pytest.mark.parametrize("begins", [0, 1])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_is_recognised_by_its_tokens(team: Team, family: Family, begins: int) -> None:
    """Whatever the model is called. Families that share their marks differ in other tokens."""
    server = Completions(team, tokens_of(family), pattern_of(family), begins)
    engine = load_remote(team.address)
    assert engine.info.way == f"fill-in-the-middle ({family.name})"
    engine.fill(replace(LINE, context=(OTHER_FILE,)))
    prefix, suffix = server.asked[-1]
    assert prefix.endswith(LINE.texts[0])
    assert suffix == LINE.texts[1]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_name_of_a_special_token_in_a_text_is_text(family: Family) -> None:
    names = ", ".join([*family.tokens, *family.ends])
    snippet = Snippet(f"TOKENS = {names}")
    request = replace(LINE, texts=(f"a = {names} ", f" {names}\n"), context=(snippet,))
    plain = replace(LINE, texts=("a = ", "\n"), context=(Snippet("TOKENS = "),))
    for token in {*family.tokens, *family.ends}:
        assert family.prompt(request).count(token) == family.prompt(plain).count(token)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("Qwen/Qwen2.5-Coder-7B", "qwen"),
        ("qwen3-coder:30b", "qwen"),
        ("google/codegemma-2b", "codegemma"),
        ("bigcode/starcoder2-3b", "starcoder2"),
        ("bigcode/starcoderbase-1b", "starcoder"),
        ("ibm-granite/granite-8b-code-base", "starcoder"),
        ("deepseek-ai/deepseek-coder-6.7b-base", "deepseek"),
        ("codellama/CodeLlama-7b-hf", "codellama"),
        ("mistralai/Codestral-22B-v0.1", "codestral"),
    ],
)
def test_the_likeliest_family_is_tried_first(name: str, family: str) -> None:
    assert likely(name)[0].name == family


def no_tokens(team: Team) -> None:
    """The name alone says that it is a coder model."""
    team.models[0]["id"] = "Qwen2.5-Coder-like"
    Completions(team, ("<nothing>",), pattern_of(family_named("qwen")))


def untaught(team: Team) -> None:
    family = family_named("qwen")
    Completions(team, tokens_of(family), pattern_of(family), fills=False)


@pytest.mark.parametrize(
    ("put", "why"),
    [
        (no_tokens, "its tokenizer has no fill tokens that we know"),
        (untaught, "its tokenizer has the fill tokens of qwen, and it fills no gap"),
        (partial(llama_cpp, fill_tokens=False), "its model has no fill tokens.*prefix token"),
        (partial(ollama, capabilities=("completion",)), "Ollama says .* does not insert"),
    ],
)
def test_else_it_is_a_chat_and_says_why(team: Team, put: Callable[[Team], None], why: str) -> None:
    put(team)
    engine = load_remote(team.address)
    assert engine.info.way == "chat"
    assert re.search(why, engine.info.why)
    assert "Qwen2.5-Coder" in engine.info.better
    assert engine.fill(LINE).texts == ("in words",)


def test_a_server_that_forgets_its_way_is_asked_in_words(team: Team) -> None:
    llama_cpp(team)
    engine = load_remote(team.address)
    assert engine.info.way == "fill-in-the-middle (/infill)"
    llama_cpp(team, fill_tokens=False)
    assert engine.fill(LINE).texts == ("in words",)
    assert engine.info.way == "chat"
    assert engine.info.why == "fill-in-the-middle (/infill) was refused"


def test_a_server_that_lost_its_model_keeps_its_way(team: Team) -> None:
    llama_cpp(team)
    engine = load_remote(team.address)
    gone = status(404, "model not found")
    kept = {path: team.answers[path] for path in ("/infill", "/v1/chat/completions")}
    for path in kept:
        team.on(path, gone)
    with pytest.raises(ModelMissing, match="model not found"):
        engine.fill(LINE)
    team.answers.update(kept)
    assert engine.fill(LINE).texts == ("a + b",)
    assert engine.info.way == "fill-in-the-middle (/infill)"


@pytest.mark.parametrize(
    ("fill", "way", "path"),
    [
        ("chat", "chat", "/v1/chat/completions"),
        ("infill", "fill-in-the-middle (/infill)", "/infill"),
        ("generate", "fill-in-the-middle (/api/generate)", "/api/generate"),
        ("mistral", "fill-in-the-middle (/fim/completions)", "/v1/fim/completions"),
        ("codestral", "fill-in-the-middle (codestral)", "/v1/completions"),
        ("<P>,<S>,<M>", "fill-in-the-middle (your own)", "/v1/completions"),
    ],
)
def test_the_way_can_be_given(team: Team, fill: str, way: str, path: str) -> None:
    """Nothing is tried then."""
    llama_cpp(team)
    answers = {each: team.answers.get(each) for each in ("/infill", "/v1/chat/completions")}
    ollama(team)
    mistral(team)
    Completions(team, ("x",), r"<P>(?P<prefix>.*)<S>(?P<suffix>.*)<M>|\[.*").fills = False
    team.answers.update({each: answer for each, answer in answers.items() if answer})
    engine = load_remote(f"{team.address}#codestral&fill={fill}")
    assert engine.info.way == way
    assert [asked for asked, _, _ in team.asked] == ["/v1/models"]
    engine.fill(LINE)
    assert team.asked[-1][0] == path


@pytest.mark.parametrize("fill", ["nothing", "a,b", "a,b,{prefix}", "canvas", ""])
def test_a_way_that_there_is_not(team: Team, fill: str) -> None:
    with pytest.raises(ModelMissing):
        load_remote(f"{team.address}#{CODER}&fill={fill}")


def test_a_server_that_is_loading_is_no_chat_for_ever(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The load fails, and is tried again."""

    def loading(handler: Handler) -> None:
        handler.json({"error": {"code": 503, "message": "Loading model"}}, 503, Retry_After="9")

    llama_cpp(team)
    infill = team.answers["/infill"]
    team.on("/infill", loading)
    with pytest.raises(Exception, match="Loading model"):
        load_remote(team.address)
    team.answers["/infill"] = infill
    assert load_remote(team.address).info.way == "fill-in-the-middle (/infill)"


def test_a_server_that_does_not_answer_is_no_chat_for_ever(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is not asked for the tokens of one family after the other."""
    monkeypatch.setattr(exchange, "PATIENCE", 0.2)
    team.on("/v1/completions", lambda handler: time.sleep(1.0))
    with pytest.raises(EngineError, match="does not answer"):
        load_remote(team.address)
    assert len(team.bodies("/v1/completions")) == 1


def test_a_server_that_breaks_on_completions_is_a_chat(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_server, "_wait", lambda *_: None)
    team.on("/v1/completions", status(500))
    team.chat(stream("in words"))
    engine = load_remote(team.address)
    assert engine.info.way == "chat"
    assert engine.fill(LINE).texts == ("in words",)


def test_the_context_of_an_ollama_is_kept_to(team: Team) -> None:
    ollama(team)
    long = replace(LINE, texts=("x = 1\n" * 5000, "y = 2\n" * 5000))
    load_remote(f"{team.address}#qwen2.5-coder").fill(long)
    body = team.bodies("/api/generate")[-1]
    assert len(body["prompt"]) + len(body["suffix"]) < 3 * 2048
    ollama(team, capabilities=("completion",))
    load_remote(f"{team.address}#qwen2.5-coder").fill(long)
    assert len(team.bodies()[-1]["messages"][-1]["content"]) < 3 * 2048


def test_a_stream_that_breaks_off(team: Team) -> None:
    llama_cpp(team)
    engine = load_remote(team.address)
    for path, written in (("/infill", {"content": "a", "stop": False}),):
        team.on(path, lambda handler, written=written: _broken(handler, written))
        with pytest.raises(Exception, match="broke off"):
            engine.fill(LINE)


def _broken(handler: Handler, written: object) -> None:
    handler.begin_stream()
    handler.event(written)
