"""The host process and its connection, with a scripted engine: answers, drafts, faults, orphans."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import wire
from engine.api import (
    Alternative,
    BadRequest,
    Cancelled,
    Draft,
    EngineError,
    EngineInfo,
    Fill,
    FillRequest,
    HostLost,
    ModelMissing,
    OutOfMemory,
    Shape,
    Snippet,
    Span,
)
from engine.connect import HostEngine, connect

HERE = FillRequest(("here ", "\n"))
SLOW = FillRequest(("slow ", "\n"))


class Scripted:
    """A script on disk, engines that follow it, and the journal of what they did."""

    def __init__(self, folder: Path) -> None:
        self.script = folder / "script.json"
        self.journal = folder / "journal"
        self.engines: list[HostEngine] = []

    def connect(self, *fills: dict[str, Any], **script: Any) -> HostEngine:
        content = {"fills": fills, "journal": str(self.journal), **script}
        self.script.write_text(json.dumps(content))
        engine = connect(str(self.script), factory="tests.scripted:load")
        self.engines.append(engine)
        return engine

    def events(self, *names: str) -> list[dict[str, Any]]:
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [event for event in map(json.loads, lines) if not names or event["event"] in names]

    def wait_for(self, event: str, count: int = 1) -> None:
        wait_until(lambda: len(self.events(event)) >= count, f"{count} x {event}")


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Scripted]:
    scripted = Scripted(tmp_path)
    yield scripted
    for engine in scripted.engines:
        engine.close()


def wait_until(holds: Callable[[], bool], what: str, patience: float = 20) -> None:
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


FAILURES = [
    ({"error": {"kind": "out_of_memory", "message": "too big"}}, OutOfMemory, "too big"),
    ({"error": {"kind": "bad_request", "message": "no"}}, BadRequest, "no"),
    ({"raises": "MemoryError"}, OutOfMemory, "not enough memory"),
    ({"raises": "ZeroDivisionError"}, EngineError, "ZeroDivisionError: the script raises"),
    ({"raises": "SystemExit"}, EngineError, "SystemExit"),
    ({"exit": 7}, HostLost, "exit status 7"),
]


@pytest.mark.parametrize(("rule", "kind", "words"), FAILURES, ids=lambda each: str(each)[:40])
def test_a_failure_has_its_kind_and_the_next_request_works(
    scripted: Scripted, rule: dict[str, Any], kind: type[EngineError], words: str
) -> None:
    engine = scripted.connect({"after": "bad ", **rule}, {"text": "ok"})
    with pytest.raises(kind, match=words) as caught:
        engine.fill(FillRequest(("bad ", "")))
    assert type(caught.value) is kind
    assert engine.fill(HERE).texts == ("ok",)


def test_a_fill_travels_whole(scripted: Scripted) -> None:
    text = "naïve 🎉 \ud83d\r\n\u2028\f"
    engine = scripted.connect({"texts": [text, "{n}"], "steps": 3, "confidence": 0.5})
    drafts: list[Draft] = []
    fill = engine.fill(FillRequest(("a\ud83d", "b", "c"), shape=Shape.BLOCK), drafts.append)
    assert (fill.texts, fill.confidence, fill.steps) == ((text, "1"), 0.5, 3)
    assert [draft.step for draft in drafts] == [1, 2, 3]
    assert drafts[-1].texts == (text, "1")
    assert engine.info == EngineInfo("scripted", "script")


def test_prints_never_reach_the_protocol(scripted: Scripted) -> None:
    noise = '{"jsonrpc": "2.0", "id": 1, "result": null}\n'
    engine = scripted.connect({"text": "clean", "print": noise})
    assert engine.fill(HERE).texts == ("clean",)


def test_a_cancel_stops_the_work_between_two_steps(scripted: Scripted) -> None:
    engine = scripted.connect({"after": "slow ", "steps": 500, "delay": 0.02})
    job = engine.submit(SLOW)
    scripted.wait_for("step")
    job.cancel()
    with pytest.raises(Cancelled):
        job.future.result(20)
    assert len(scripted.events("cancelled")) == 1
    assert len(scripted.events("step")) < 500


def test_a_waiting_fill_is_cancelled_without_being_begun(scripted: Scripted) -> None:
    engine = scripted.connect({"after": "slow ", "steps": 500, "delay": 0.02})
    running = engine.submit(SLOW)
    scripted.wait_for("step")
    waiting = engine.submit(HERE)
    waiting.cancel()
    with pytest.raises(Cancelled):
        waiting.future.result(20)
    assert not running.future.done()
    running.cancel()
    running.cancel()
    assert isinstance(running.future.exception(20), Cancelled)
    assert len(scripted.events("begin")) == 1


def test_the_synchronous_caller_can_cancel(scripted: Scripted) -> None:
    engine = scripted.connect({"steps": 500, "delay": 0.02})
    drafts: list[Draft] = []
    with pytest.raises(Cancelled):
        engine.fill(HERE, drafts.append, lambda: len(drafts) >= 2)
    assert len(scripted.events("step")) < 500


def test_a_killed_host_fails_what_is_pending_and_a_fresh_one_serves(scripted: Scripted) -> None:
    engine = scripted.connect({"after": "slow ", "steps": 500, "delay": 0.02}, {"text": "ok"})
    jobs = [engine.submit(SLOW), engine.submit(HERE)]
    scripted.wait_for("step")
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    for job in jobs:
        with pytest.raises(HostLost, match="SIGKILL"):
            job.future.result(20)
    assert engine.fill(HERE).texts == ("ok",)


def test_a_host_that_hangs_is_replaced(scripted: Scripted) -> None:
    connected = scripted.connect({"after": "slow ", "hang": True}, {"text": "ok"})
    engine = HostEngine(connected._command, cancel_patience=0.3)
    scripted.engines.append(engine)
    job, innocent = engine.submit(SLOW), engine.submit(HERE)
    scripted.wait_for("begin")
    job.cancel()
    with pytest.raises(Cancelled):
        job.future.result(20)
    with pytest.raises(HostLost, match="did not stop"):
        innocent.future.result(20)
    assert engine.fill(HERE).texts == ("ok",)


def test_a_model_that_cannot_be_loaded_is_every_requests_error(scripted: Scripted) -> None:
    failure = {"kind": "out_of_memory", "message": "24 GB are needed"}
    engine = scripted.connect(load={"error": failure})
    for _ in range(2):
        with pytest.raises(OutOfMemory, match="24 GB"):
            engine.fill(HERE)
    with pytest.raises(OutOfMemory, match="24 GB"):
        _ = engine.info
    assert len(scripted.events("load")) == 1


def test_a_missing_model_is_looked_for_again(scripted: Scripted, tmp_path: Path) -> None:
    engine = connect(str(tmp_path / "nothing.json"), factory="tests.scripted:nowhere")
    scripted.engines.append(engine)
    with pytest.raises(EngineError, match="nowhere"):
        engine.fill(HERE)
    failure = {"kind": "model_missing", "message": "pull it"}
    engine = scripted.connect(load={"error": failure})
    with pytest.raises(ModelMissing, match="pull it"):
        engine.fill(HERE)
    scripted.script.write_text(json.dumps({"fills": [{"text": "here now"}]}))
    assert engine.fill(HERE).texts == ("here now",)


def test_neither_starting_nor_asking_waits_for_the_model(scripted: Scripted) -> None:
    engine = scripted.connect({"text": "ok"}, load={"seconds": 600})
    engine.start()
    jobs = [engine.submit(HERE) for _ in range(3)]
    scripted.wait_for("load")
    jobs[0].cancel()
    with pytest.raises(Cancelled):
        jobs[0].future.result(20)
    assert not jobs[1].future.done()


@pytest.mark.parametrize("how", ["close", "caller killed"])
def test_no_orphan_is_left_mid_fill(scripted: Scripted, how: str) -> None:
    rule = {"hang": True}
    engine = scripted.connect(rule)
    if how == "close":
        job = engine.submit(HERE)
        scripted.wait_for("begin")
        pid = scripted.events("begin")[0]["pid"]
        engine.close()
        assert isinstance(job.future.exception(20), HostLost)
        with pytest.raises(HostLost, match="closed"):
            engine.fill(HERE)
    else:
        program = (
            "from engine.connect import connect; from engine.api import FillRequest;"
            f"connect({str(scripted.script)!r}, factory='tests.scripted:load')"
            ".fill(FillRequest(('', '')))"
        )
        caller = subprocess.Popen([sys.executable, "-c", program])
        scripted.wait_for("begin")
        pid = scripted.events("begin")[0]["pid"]
        caller.kill()
        caller.wait()
    wait_until(lambda: not is_running(pid), "the host's end")


def test_a_working_folder_with_its_own_engine_is_not_run(
    scripted: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").write_text("raise SystemExit('the user\\'s own')")
    monkeypatch.chdir(tmp_path)
    assert scripted.connect({"text": "ours"}).fill(HERE).texts == ("ours",)


def test_lines_that_are_no_request_are_answered_or_dropped(scripted: Scripted) -> None:
    engine = scripted.connect({"text": "ok"})
    host = subprocess.Popen(
        engine._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    lines = [
        "not json",
        "[]",
        '{"id": 1, "method": "dance"}',
        '{"method": "dance"}',
        '{"id": 2, "method": "fill", "params": {"texts": "text"}}',
        '{"id": 3, "method": "fill", "params": {"texts": ["a", "b"], "sleeps": 3}}',
        '{"id": 4, "method": "fill", "params": {"texts": ["a"]}}',
        '{"id": 5, "method": "fill", "params": {"texts": ["a", "b"], "shape": "round"}}',
        '{"method": "cancel", "params": {"id": 99}}',
        '{"id": 6, "method": "shutdown"}',
    ]
    output, _ = host.communicate("\n".join(lines).encode(), timeout=20)
    answers = [json.loads(line) for line in output.splitlines()]
    told = [(each["id"], each.get("error", {}).get("code")) for each in answers]
    assert told == [
        (None, wire.PARSE_ERROR),
        (None, wire.PARSE_ERROR),
        (1, wire.METHOD_NOT_FOUND),
        *((number, wire.FILL_FAILED) for number in (2, 3, 4, 5)),
        (6, None),
    ]
    assert host.returncode == 0


def test_json_round_trips() -> None:
    request = FillRequest(
        ("a", "b", "c"),
        "python",
        "/p.py",
        Shape.LINE,
        (Snippet("s", "/s.py"), Snippet("t")),
        8,
        4,
        2,
        ("x", "y"),
        3,
    )
    fill = Fill(("x",), 0.25, 3, 32, 0.5, (Alternative(("x",), 1.0), Alternative(("y",), 0.5)))
    draft = Draft(("x", "y"), 1, 4, ((Span(0, 1, 0.5),), ()))

    def through(message: dict[str, Any]) -> dict[str, Any]:
        return wire.decode_line(wire.encode_line(message))

    def bare(message: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in through(message).items() if key != "jsonrpc"}

    for each in (request, replace(request, draft=None, context=())):
        assert wire.request_from_json(bare(wire.request_to_json(each))) == each
    assert wire.fill_from_json(bare(wire.fill_to_json(fill))) == fill
    assert wire.draft_from_json(bare(wire.draft_to_json(draft))) == draft
