"""Requests to a server, streams from it, and what its errors mean."""

from __future__ import annotations

import re
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.api import BadRequest, Cancelled, Draft, EngineError, ModelMissing
from engine.client.connect import connect
from engine.remote import exchange, load_remote
from engine.remote import server as remote_server
from engine.remote.refusal import Failed, TooLong
from engine.remote.server import Server
from tests.engine.remote.team import LINE, OTHER, Answer, Handler, Team, events, raw, status, stream
from tests.hosting import wait_until


def detail(code: int, told: Any) -> Answer:
    """As servers made with FastAPI refuse."""
    return lambda handler: handler.json({"detail": told}, code)


ERRORS = [
    (status(401), EngineError, "wants a key.*INFILL_API_KEY", 1),
    (status(403), EngineError, "wants a key.*INFILL_API_KEY", 1),
    (status(404), ModelMissing, "because", 1),
    (status(400, "too hot"), BadRequest, "too hot", 1),
    (detail(404, "Not Found"), ModelMissing, "Not Found", 1),
    (detail(422, [{"loc": ["body", "model"], "msg": "odd"}]), BadRequest, "body.model: odd", 1),
    (lambda handler: handler.json({"error": "Unauthorized"}, 401), EngineError, "wants a key", 1),
    (lambda handler: handler.json({"message": "no such way"}, 405), BadRequest, "such way", 1),
    (status(429), EngineError, "busy", 3),
    (status(429, Retry_After="3600"), EngineError, "busy", 1),
    (status(500, "out of paper"), Failed, "out of paper", 6),
    (status(503, Retry_After="0"), EngineError, "503", 3),
    (status(302, Location="http://127.0.0.1:9/"), EngineError, "moved", 1),
    (status(418), EngineError, "418", 1),
    (raw(b"220 smtp ready\r\n"), EngineError, "reached", 1),
    (stream("a +", whole=False), EngineError, "broke off", 1),
    (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ndata: {}\n"), EngineError, "broke off", 1),
    (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ndata: {\n"), EngineError, "read", 1),
    (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ndata: 3\n"), EngineError, "read", 1),
    # An error in a stream comes after a 200: its own code counts.
    (events({"error": {"message": "too hot", "code": 400}}), BadRequest, "too hot", 1),
    (events({"error": {"message": "who?", "code": 401}}), EngineError, "wants a key", 1),
    (events({"error": {"message": "what?", "code": "404"}}), ModelMissing, "what", 1),
    (events({"error": {"message": "later", "code": 429}}), EngineError, "busy", 1),
    (events({"error": {"message": "ink", "code": 500}}), Failed, "fails .500.: ink", 2),
    (events({"error": {"message": "ink", "code": "no_ink"}}), Failed, "failed: ink", 2),
    (events({"error": {"message": "odd", "type": "BadRequestError"}}), BadRequest, "odd", 1),
    (events({"error": "ink"}), Failed, "failed: ink", 2),
    (events({"object": "error", "message": "odd", "code": 400}), BadRequest, "odd", 1),
]


@pytest.mark.parametrize(("answer", "kind", "words", "tries"), ERRORS)
def test_errors_name_cause_and_mend(
    team: Team,
    answer: Answer,
    kind: type[EngineError],
    words: str,
    tries: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote_server, "_wait", lambda *_: None)
    team.chat(answer)
    engine = load_remote(team.address)
    with pytest.raises(kind, match=words) as caught:
        engine.fill(LINE)
    assert type(caught.value) is kind
    assert len(team.bodies()) == tries
    team.chat(stream("a + b"))
    assert engine.fill(LINE).texts == ("a + b",)


def test_a_busy_server_is_asked_again(team: Team) -> None:
    team.chat(status(503, Retry_After="0"), status(429, Retry_After="0"), stream("a + b"))
    assert load_remote(team.address).fill(LINE).texts == ("a + b",)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://", "no address"),
        ("http://me:secret@{0}", "INFILL_API_KEY"),
        ("http://{0}/v1?x=1", "no address"),
        ("http://{0}:x", "no address"),
        ("http://{0}/v1#nobody/knows", OTHER),
        ("http://{0}/v1#some/coder&speed=9", "no option speed"),
    ],
)
def test_an_address_that_is_none(team: Team, address: str, words: str) -> None:
    with pytest.raises(ModelMissing, match=words) as caught:
        load_remote(address.format(team.address.removeprefix("http://")))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("listed", [{"data": 3}, {"data": ["x"]}, {}, []], ids=str)
def test_what_is_no_openai_server(team: Team, listed: Any) -> None:
    team.answers["/v1/models"] = [lambda handler: handler.json(listed)]
    with pytest.raises(EngineError, match="OpenAI-compatible"):
        load_remote(team.address)


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(EngineError, match="cannot be reached"):
        load_remote(f"http://127.0.0.1:{port}")


def test_a_server_that_says_nothing(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "PATIENCE", 0.2)
    engine = load_remote(team.address)
    team.chat(lambda handler: time.sleep(1.0))
    with pytest.raises(EngineError, match="does not answer"):
        engine.fill(LINE)


def test_a_server_that_does_not_come_to_an_end(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    def trickle(handler: Handler) -> None:
        handler.begin_stream()
        while True:
            handler.raw(b": keepalive\n\n")
            time.sleep(0.01)

    monkeypatch.setattr(exchange, "DEADLINE", 0.3)
    team.chat(trickle)
    with pytest.raises(EngineError, match="did not end its answer"):
        load_remote(team.address).fill(LINE)
    assert team.broken.wait(20)


@pytest.mark.parametrize(
    "written",
    [
        b'data: {"choices": [{"text": "a", "finish_reason": "stop"}]}\n\n',
        b'data:{"choices": [{"text": "a", "finish_reason": "stop"}]}\r\n\r\ndata: [DONE]\r\n\r\n',
        b': hello\nevent: x\nid: 1\ndata: {"choices": [\ndata: {"text": "a", "finish_reason":'
        b' "stop"}]}\n\n',
        b'{"choices": [{"text": "a", "finish_reason": "stop"}]}\n',
        b'data: {"choices": []}\n\ndata: {"usage": 1}\n\ndata: {"choices": [{"text": null}]}\n\n'
        b'data: {"choices": [{"text": "a"}]}\n\n'
        b'data: {"choices": [{"text": "", "finish_reason": "stop"}]}\n\n',
    ],
)
def test_streams_as_servers_write_them(team: Team, written: bytes) -> None:
    def answer(handler: Handler) -> None:
        handler.begin_stream()
        handler.raw(written)

    team.chat(answer)
    assert load_remote(team.address).fill(LINE).texts == ("a",)


@pytest.mark.parametrize(
    ("refusal", "missing"),
    [
        ("The temperature, min_p and seed are not yet supported.", {"temperature", "seed"}),
        ("Unsupported value: 'temperature' does not support 0", {"temperature"}),
        ([{"loc": ["body", "logprobs"], "msg": "Extra inputs are not permitted"}], {"logprobs"}),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
def test_a_parameter_that_is_refused_by_name_is_left_out(
    team: Team, refusal: Any, missing: set[str], streamed: bool
) -> None:
    def answer(handler: Handler) -> None:
        if not missing & handler.body.keys():
            stream("a + b")(handler)
        elif streamed:
            events({"error": {"message": refusal, "code": 400}})(handler)
        else:
            detail(400, refusal)(handler)

    team.chat(answer)
    engine = load_remote(team.address)
    for _ in range(2):
        assert engine.fill(LINE).texts == ("a + b",)
    sent = [missing & body.keys() for body in team.bodies()]
    assert sent == [missing, set(), set()]  # asked again once, and remembered


@pytest.mark.parametrize("breaks", [1, 2, 9])
def test_a_server_that_breaks_on_probabilities(team: Team, breaks: int) -> None:
    """It is asked without them (mlx-vlm with a diffusion model breaks on `logprobs`); for good only
    when that helped twice, since a server may break by chance."""
    asked: list[bool] = []

    def answer(handler: Handler) -> None:
        asked.append("logprobs" in handler.body)
        if asked[-1] and sum(asked) <= breaks:
            events({"error": "float() argument must be a number"})(handler)
        else:
            stream("a + b", logprob=-0.1 if asked[-1] else None)(handler)

    team.chat(answer)
    engine = load_remote(team.address)
    fills = [engine.fill(LINE) for _ in range(4)]
    assert {fill.texts for fill in fills} == {("a + b",)}
    assert asked == [
        *([True, False] * min(breaks, 2)),
        *([breaks < 2] * (4 - min(breaks, 2))),
    ]
    assert engine.info.confidence == ("not calibrated" if breaks < 2 else "unknown")


@pytest.mark.parametrize(
    "refusal",
    [
        status(400, "This model's maximum context length is 2048 tokens. However, you asked"),
        status(400, "the request exceeds the available context size (512 tokens), try"),
        status(413, "big"),
        events({"error": {"message": "The prompt is too long: 9, the maximum", "code": 400}}),
    ],
)
def test_what_is_too_long_is_cut_to_whole_lines(team: Team, refusal: Answer) -> None:
    def answer(handler: Handler) -> None:
        fits = len(handler.body["messages"][-1]["content"]) < 3000
        (stream("a + b") if fits else refusal)(handler)

    team.chat(answer)
    engine = load_remote(team.address)
    lines = "".join(f"line {number}\n" for number in range(2000))
    for _ in range(2):
        assert engine.fill(replace(LINE, texts=(lines + "x = ", lines))).texts == ("a + b",)
    shown = [body["messages"][-1]["content"] for body in team.bodies()]
    assert len(shown) == 5  # remembered
    assert len(shown[-1]) < 3000 <= len(shown[-3])
    assert re.search(r"```\nline \d+\n", shown[-1])
    team.chat(refusal)
    with pytest.raises(TooLong):
        engine.fill(LINE)


def test_a_context_that_is_told_is_kept_to(team: Team) -> None:
    team.models[0]["max_model_len"] = 1024
    team.chat(stream("a + b"))
    load_remote(team.address).fill(replace(LINE, texts=("x = 1\n" * 5000, "y = 2\n" * 5000)))
    (body,) = team.bodies()
    assert len(body["messages"][-1]["content"]) < 3 * 1024


def test_a_cancel_closes_the_stream(team: Team) -> None:
    def endless(handler: Handler) -> None:
        handler.begin_stream()
        while True:
            handler.say("x")
            time.sleep(0.005)

    team.chat(endless)
    drafts: list[Draft] = []
    with pytest.raises(Cancelled):
        load_remote(team.address).fill(LINE, drafts.append, lambda: len(drafts) > 2)
    assert team.broken.wait(20)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://h", Server(False, "h", 80, "/v1", None)),
        ("https://h/", Server(True, "h", 443, "/v1", None)),
        ("https://h:8/api/v1/#a/b", Server(True, "h", 8, "/api/v1", "a/b")),
        ("http://[::1]:8000/v1", Server(False, "::1", 8000, "/v1", None)),
        ("http://h#a%20b&fill=chat", Server(False, "h", 80, "/v1", "a b", "chat")),
        ("http://h#fill=qwen", Server(False, "h", 80, "/v1", None, "qwen")),
    ],
)
def test_addresses(address: str, expected: Server) -> None:
    assert Server.at(address) == expected
    assert expected.root + "/v1" == expected.path


def test_through_the_host_and_without_torch(team: Team) -> None:
    team.chat(stream("a", " + b"))
    drafts: list[Draft] = []
    with connect(f"{team.address}/v1") as engine:
        assert engine.fill(LINE, drafts.append).texts == ("a + b",)
        assert drafts[-1].texts == ("a + b",)
        assert engine.info.model == OTHER
        pid = engine.pid
        maps = Path(f"/proc/{pid}/maps")
        assert not maps.exists() or "torch" not in maps.read_text()
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or pid is None, "the host's end")
