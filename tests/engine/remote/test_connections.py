"""Connections are used again, and never one that is not as it was left."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from engine.api import Cancelled
from engine.remote import connections, load_remote
from engine.remote.server import Server
from tests.engine.remote.team import LINE, Handler, Team, raw, stream


@pytest.fixture(autouse=True)
def none_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(connections, "LOOPBACK", ())
    connections._kept.clear()
    yield
    connections._kept.clear()


def test_requests_share_a_connection(team: Team) -> None:
    server = Server.at(team.address)
    for _ in range(3):
        server.ask("/v1/models")
    assert len(set(team.ports)) == 1


def test_a_stream_that_was_read_to_its_end_leaves_one(team: Team) -> None:
    def chunked(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        event = b'data: {"choices": [{"text": "a", "finish_reason": "stop"}]}\n\n'
        handler.raw(b"%x\r\n%b\r\n0\r\n\r\n" % (len(event), event))

    team.chat(chunked)
    engine = load_remote(team.address)
    for _ in range(2):
        assert engine.fill(LINE).texts == ("a",)
    assert len(set(team.ports)) == 1


def test_a_stream_that_was_left_closes_its_own(team: Team) -> None:
    def endless(handler: Handler) -> None:
        handler.begin_stream()
        while True:
            handler.say("x")
            time.sleep(0.005)

    team.chat(endless)
    engine = load_remote(team.address)
    drafts: list[object] = []
    with pytest.raises(Cancelled):
        engine.fill(LINE, drafts.append, lambda: len(drafts) > 2)
    assert team.broken.wait(20)
    team.chat(stream("a + b"))
    assert engine.fill(LINE).texts == ("a + b",)


@pytest.mark.parametrize("idle", [0.0, 0.2])
def test_one_that_the_server_has_closed_is_replaced(team: Team, idle: float) -> None:
    """Whether the end has arrived before the request or meets it."""

    def last(handler: Handler) -> None:
        handler.json({"data": []})
        handler.close_connection = True

    server = Server.at(team.address)
    team.on("/v1/models", last)
    for _ in range(3):
        server.ask("/v1/models")
        time.sleep(idle)
    assert len(set(team.ports)) == 3


def test_one_that_is_old_is_not_used(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE", 0.0)
    server = Server.at(team.address)
    for _ in range(2):
        server.ask("/v1/models")
    assert len(set(team.ports)) == 2


def test_more_than_was_announced_is_not_taken_for_the_next_answer(team: Team) -> None:
    team.on("/odd", raw(b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}{"error": "not yours"}'))
    server = Server.at(team.address)
    for _ in range(2):
        assert server.ask("/odd") == {}
    assert "data" in server.ask("/v1/models")


def test_no_more_are_kept_than_are_of_use(team: Team) -> None:
    place = (False, "127.0.0.1", team.server_port)
    for _ in range(connections.KEPT + 3):
        connection = connections.new(place, 5.0)
        connection.connect()
        connections.keep(place, connection)
    assert len(connections._kept[place]) == connections.KEPT


def test_none_is_kept_where_that_makes_answers_late(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "ACKNOWLEDGES", False)
    monkeypatch.setattr(connections, "LOOPBACK", ("127.0.0.1",))
    server = Server.at(team.address)
    for _ in range(2):
        server.ask("/v1/models")
    assert len(set(team.ports)) == 2
