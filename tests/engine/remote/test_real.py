"""Against real servers: those that `.ci/run` installed, and any whose address is in
INFILL_TEST_SERVER (several are parted by spaces).

What a model writes is its own: this holds what every server has to do for us, and what we make of
it when it does not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.api import (
    BadRequest,
    Cancelled,
    Draft,
    EngineError,
    FillRequest,
    ModelMissing,
    Shape,
    Snippet,
)
from engine.client.connect import connect
from engine.remote import RemoteEngine, exchange, load_remote
from engine.remote.chat import Chat
from engine.remote.engine import look_at
from engine.remote.key import forget_key
from engine.remote.served import Served
from engine.remote.server import Server
from tests.engine.remote.real import KINDS, Running, given, required

PATIENCE = 120.0  # seconds; a small machine runs the server, too

LINE = FillRequest(
    ("def add(a, b):\n    return ", "\n\n\nprint(add(1, 2))\n"),
    language="python",
    path="/home/me/sums.py",
    shape=Shape.LINE,
    context=(Snippet("UNIT = 3\n", "/home/me/units.py"),),
    max_tokens=12,
)
BLOCK = FillRequest(
    ("def fib(n):\n    ", "\n\n\nprint(fib(10))\n"),
    language="python",
    path="fib.py",
    shape=Shape.BLOCK,
    max_tokens=32,
)
LONG = FillRequest(BLOCK.texts, language="python", max_tokens=400)


@pytest.fixture(scope="module", params=[*(kind.name for kind in KINDS), *given()])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    kind = next((kind for kind in KINDS if kind.name == request.param), None)
    if kind is None:
        yield Running(None, request.param)
        return
    if not kind.is_here:
        (pytest.fail if kind.name in required() else pytest.skip)(
            f"{kind.name} is not here: .ci/run installs it"
        )
    running = Running(kind, log=tmp_path_factory.mktemp("server") / "log")
    yield running
    running.kill()


@pytest.fixture
def server(shared: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Running]:
    """With the key that it wants, and no other."""
    if shared.kind is not None:
        monkeypatch.setenv("INFILL_API_KEY", shared.kind.key or "")
        monkeypatch.setenv("INFILL_API_KEY_FILE", str(tmp_path / "api-key"))
    forget_key()
    yield shared
    forget_key()


@pytest.fixture
def ours(server: Running) -> Running:
    """One that may be stopped."""
    if server.kind is None:
        pytest.skip("it is somebody's: it is not stopped")
    return server


def test_how_it_is_asked(server: Running) -> None:
    info = load_remote(server.address).info
    assert info.why
    assert info.better or info.way == "pinned canvas"
    assert server.kind is None or info.way == server.kind.way


def test_fill_tokens_alone_prove_nothing(ours: Running) -> None:
    """Recognised by what it answers: a model that has the tokens and was not taught to fill is
    asked by chat, unless its user says otherwise."""
    if ours.kind is None or not ours.kind.fragment:
        pytest.skip("its model has no fill tokens")
    info = load_remote(ours.server).info
    assert info.way == "chat"
    assert "fills no gap" in info.why


def test_a_line_and_a_block(server: Running) -> None:
    engine = load_remote(server.address)
    for request in (LINE, BLOCK):
        drafts: list[Draft] = []
        fill = engine.fill(request, drafts.append)
        (text,) = fill.texts
        assert "\n" not in text or request.shape is Shape.BLOCK
        assert not text or drafts[-1].texts[0].startswith(text)
        assert 0.0 <= fill.confidence <= 1.0
        assert "<|" not in text
        if engine.info.confidence == "not calibrated" and drafts and text:
            assert drafts[0].confidence


def test_the_same_again(server: Running) -> None:
    """Greedy decoding; only a canvas on a vLLM cannot be seeded."""
    engine = load_remote(server.address)
    first, second = (engine.fill(LINE).texts for _ in range(2))
    assert first == second or engine.info.way == "pinned canvas"


def test_two_windows(server: Running) -> None:
    """Three fills of two windows through the one host, and the first is cancelled."""
    with connect(server.address) as first, connect(server.address) as second:
        left = first.submit(LONG)
        jobs = [window.submit(LINE) for window in (first, second, first)]
        left.cancel()
        texts = {job.future.result(PATIENCE).texts for job in jobs}
    assert texts


def test_abandoned_prompts(server: Running) -> None:
    """What nobody waits for is left at once, and the next fill does not queue behind it."""
    engine = load_remote(server.address)
    for index in range(6):
        drafts: list[Draft] = []

        def left(index: int = index, drafts: list[Draft] = drafts) -> bool:
            return index % 2 == 0 or bool(drafts)

        with suppress(Cancelled):
            engine.fill(LONG, drafts.append, left)
    began = time.monotonic()
    engine.fill(LINE)
    assert time.monotonic() - began < PATIENCE


def test_a_model_that_is_not_there(server: Running) -> None:
    with pytest.raises(ModelMissing, match="it has"):
        load_remote(server.named("no/such-model"))


def test_a_model_that_goes_away(server: Running) -> None:
    """After it was found. A server that has but one may answer with it, whatever is asked for."""
    served = look_at(Server.at(server.address), server.address)
    gone = Served(served.server, "no/such-model", served.card)
    with suppress(ModelMissing, BadRequest):
        RemoteEngine(gone, [Chat(gone, "", "")]).fill(LINE)
    fragment = server.kind.fragment if server.kind else ""
    load_remote(server.named(f"{served.model}&{fragment}".rstrip("&"))).fill(LINE)


def test_a_wrong_key(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that wants none takes any."""
    right = os.environ.get("INFILL_API_KEY", "")
    monkeypatch.setenv("INFILL_API_KEY", "not this one")
    if not right:
        load_remote(server.address)
        return
    with pytest.raises(EngineError, match=r"wants a key.*\(401\)"):
        load_remote(server.address).fill(LINE)
    monkeypatch.setenv("INFILL_API_KEY", right)
    load_remote(server.address).fill(LINE)


@pytest.mark.parametrize("is_told", [True, False], ids=["told", "refused"])
def test_a_file_that_is_too_long(ours: Running, is_told: bool) -> None:
    """Less of it is shown, by what the server tells of its context, or else until it takes it."""
    assert ours.kind is not None
    if ours.kind.context is None:
        pytest.skip("it refuses no length that could be tried here")
    lines = "".join(f"value_{number} = compute({number})\n" for number in range(2000))
    request = FillRequest((f"{lines}value = ", f"\n{lines}"), shape=Shape.LINE, max_tokens=4)
    served = look_at(Server.at(ours.address), ours.address)
    assert served.context_tokens == ours.kind.context
    if not is_told:
        for name in ("meta", "max_model_len"):
            served.card.pop(name, None)
    RemoteEngine(served, [Chat(served, "", "")]).fill(request)


@dataclass(frozen=True, slots=True)
class Break:
    """What befalls a server and how it gets over it; `before` and `amid`: what we have to say if
    it happens before it is asked, and in the middle of its answer."""

    happens: Callable[[Running], None]
    ends: Callable[[Running], None]
    before: str
    amid: str


BREAKS = {
    "killed": Break(Running.kill, Running.start, "cannot be reached", "broke off in the middle"),
    "frozen": Break(Running.freeze, Running.thaw, "not answer within 1 s", "not end its answer"),
}


@pytest.fixture(params=BREAKS.values(), ids=BREAKS)
def broken(ours: Running, request: pytest.FixtureRequest) -> Iterator[tuple[RemoteEngine, Break]]:
    """An engine, and what will befall its server. Once that is over, the engine goes on."""
    engine = load_remote(ours.address)
    yield engine, request.param
    request.param.ends(ours)
    engine.fill(LINE)


def test_broken_before_it_is_asked(
    ours: Running, broken: tuple[RemoteEngine, Break], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, what = broken
    what.happens(ours)
    with monkeypatch.context() as patch:
        patch.setattr(exchange, "PATIENCE", 1.0)
        with pytest.raises(EngineError, match=what.before):
            engine.fill(LINE)


def test_broken_in_the_middle_of_its_answer(
    ours: Running, broken: tuple[RemoteEngine, Break], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, what = broken
    if ours.kind is not None and not ours.kind.streams:
        pytest.skip("it answers in one piece")
    drafts: list[Draft] = []

    def show(draft: Draft) -> None:
        if not drafts:
            what.happens(ours)
        drafts.append(draft)

    with monkeypatch.context() as patch:
        patch.setattr(exchange, "DEADLINE", 10.0)
        with pytest.raises(EngineError, match=what.amid):
            engine.fill(LONG, show)


def test_a_cancel_while_it_is_frozen(ours: Running) -> None:
    """Nobody waits for the server then."""
    engine = load_remote(ours.address)
    ours.freeze()
    try:
        asked = time.monotonic()
        with pytest.raises(Cancelled):
            engine.fill(LINE, None, lambda: time.monotonic() - asked > 0.2)
    finally:
        ours.thaw()
    engine.fill(LINE)
