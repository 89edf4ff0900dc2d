"""Several windows, one host process, one server: their fills run side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from engine.api import Cancelled, Draft, FillRequest, Shape
from engine.client.connect import HostEngine, connect
from engine.remote.engine import PER_WINDOW
from tests.engine.remote.team import Handler, Team
from tests.hosting import wait_until

PATIENCE = 30.0  # seconds for what takes a fraction of one


class Slow:
    """A chat that answers `quick` at once, and streams for ever into anything else."""

    def __init__(self, team: Team) -> None:
        self.streams = 0
        self.most = 0
        self.ended = 0
        self._lock = threading.Lock()
        team.chat(self.answer)

    def answer(self, handler: Handler) -> None:
        handler.begin_stream()
        if "quick" in handler.body["messages"][-1]["content"]:
            handler.say("done", "stop")
            return
        with self._lock:
            self.streams += 1
            self.most = max(self.most, self.streams)
        try:
            while True:
                handler.say("x")
                time.sleep(0.01)
        finally:
            with self._lock:
                self.streams -= 1
                self.ended += 1


@pytest.fixture
def slow(team: Team) -> Slow:
    return Slow(team)


@pytest.fixture
def windows(team: Team) -> Iterator[list[HostEngine]]:
    with ExitStack() as stack:
        engines = [stack.enter_context(connect(f"{team.address}/v1")) for _ in range(3)]
        yield engines


def request(text: str) -> FillRequest:
    return FillRequest((f"{text} = ", "\n"), shape=Shape.LINE)


def test_a_slow_stream_blocks_nobody(slow: Slow, windows: list[HostEngine]) -> None:
    first, second, third = windows
    drafts: list[Draft] = []
    job = first.submit(request("slow"), drafts.append)
    wait_until(lambda: bool(drafts), "the slow stream")
    for window in (second, third, first, second):
        assert window.fill(request("quick")).texts == ("done",)
    assert first.pid == second.pid == third.pid
    assert not job.future.done()
    assert slow.streams == 1
    job.cancel()
    with pytest.raises(Cancelled):
        job.future.result(PATIENCE)
    wait_until(lambda: slow.streams == 0, "the stream's end")


def test_one_window_does_not_take_all_places(slow: Slow, windows: list[HostEngine]) -> None:
    first, second, _ = windows
    jobs = [first.submit(request("slow"), slot=str(number)) for number in range(PER_WINDOW + 2)]
    wait_until(lambda: slow.streams == PER_WINDOW, "the slow streams")
    assert second.fill(request("quick")).texts == ("done",)
    for job in jobs:
        job.cancel()
    for job in jobs:
        with pytest.raises(Cancelled):
            job.future.result(PATIENCE)
    assert slow.most == PER_WINDOW


def test_a_deadline_closes_the_stream(slow: Slow, windows: list[HostEngine]) -> None:
    job = windows[0].submit(request("slow"), within=0.5)
    with pytest.raises(Cancelled, match="deadline"):
        job.future.result(PATIENCE)
    wait_until(lambda: slow.streams == 0, "the stream's end")


def test_a_newer_request_closes_the_stream_of_the_older(
    slow: Slow, windows: list[HostEngine]
) -> None:
    older = windows[0].submit(request("slow"), slot="here")
    wait_until(lambda: slow.streams == 1, "the slow stream")
    newer = windows[0].submit(request("quick"), slot="here")
    assert newer.future.result(PATIENCE).texts == ("done",)
    with pytest.raises(Cancelled, match="newer"):
        older.future.result(PATIENCE)
    wait_until(lambda: slow.streams == 0, "the stream's end")


def test_a_window_that_leaves_closes_its_streams(slow: Slow, windows: list[HostEngine]) -> None:
    windows[0].submit(request("slow"))
    wait_until(lambda: slow.streams == 1, "the slow stream")
    windows[0].close()
    wait_until(lambda: slow.streams == 0, "the stream's end")
    assert windows[1].fill(request("quick")).texts == ("done",)
