"""The host process and its windows, with a scripted engine: answers, drafts, sharing, ending."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import __version__
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
    Priority,
    Shape,
    Snippet,
    Span,
)
from engine.client import wire
from engine.client.address import address_of
from engine.client.greeting import visit
from engine.client.habits import Habits
from tests.hosting import HERE, SLOW, STEPS, Scripted, is_running, wait_until

OVER_BOTH = pytest.mark.usefixtures("transport")

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


@OVER_BOTH
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
    assert noise in scripted.address.log.read_text()


@OVER_BOTH
def test_a_cancel_stops_the_work_between_two_steps(scripted: Scripted) -> None:
    engine = scripted.connect(STEPS)
    job = engine.submit(SLOW)
    scripted.wait_for("step")
    job.cancel()
    with pytest.raises(Cancelled):
        job.future.result(20)
    assert len(scripted.events("cancelled")) == 1
    assert len(scripted.events("step")) < 500


def test_a_waiting_fill_is_cancelled_without_being_begun(scripted: Scripted) -> None:
    engine = scripted.connect(STEPS)
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
    engine = scripted.connect(STEPS)
    drafts: list[Draft] = []
    with pytest.raises(Cancelled):
        engine.fill(SLOW, drafts.append, lambda: len(drafts) >= 2)
    assert len(scripted.events("step")) < 500


def test_the_terms_of_a_fill_reach_the_schedule(scripted: Scripted) -> None:
    engine = scripted.connect(STEPS, {"text": "ok"})
    other = scripted.window()
    speculation = engine.submit(SLOW, priority=Priority.SPECULATIVE)
    scripted.wait_for("begin")
    assert other.submit(HERE).future.result(20).texts == ("ok",)
    with pytest.raises(Cancelled, match="another fill"):
        speculation.future.result(20)
    older = engine.submit(SLOW, slot="inline")
    scripted.wait_for("begin", 3)
    newer = engine.submit(SLOW, slot="inline", within=0.3)
    with pytest.raises(Cancelled, match="newer"):
        older.future.result(20)
    with pytest.raises(Cancelled, match="deadline"):
        newer.future.result(20)


def test_a_model_that_cannot_be_loaded_is_every_requests_error(scripted: Scripted) -> None:
    failure = {"kind": "out_of_memory", "message": "24 GB are needed"}
    engine = scripted.connect(load={"error": failure})
    for _ in range(2):
        with pytest.raises(OutOfMemory, match="24 GB"):
            engine.fill(HERE)
    with pytest.raises(OutOfMemory, match="24 GB"):
        _ = engine.info
    assert len(scripted.events("load")) == 1


def test_a_missing_model_is_looked_for_again(scripted: Scripted) -> None:
    nowhere = scripted.window(factory="tests.scripted:nowhere")
    with pytest.raises(EngineError, match="nowhere"):
        nowhere.fill(HERE)
    failure = {"kind": "model_missing", "message": "pull it"}
    engine = scripted.connect(load={"error": failure})
    with pytest.raises(ModelMissing, match="pull it"):
        engine.fill(HERE)
    scripted.write({"text": "here now"})
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


def test_windows_share_one_process_and_one_model(scripted: Scripted) -> None:
    first = scripted.connect({"text": "ok {n}"})
    second = scripted.window()
    assert first.fill(HERE).texts == ("ok 1",)
    assert second.fill(HERE).texts == ("ok 2",)
    assert first.pid == second.pid
    first.close()
    assert second.fill(HERE).texts == ("ok 3",)
    assert len(scripted.events("load")) == 1


@OVER_BOTH
def test_windows_that_come_at_once_start_one_process(scripted: Scripted) -> None:
    scripted.write({"text": "ok"})
    program = (
        "import sys; from engine.api import FillRequest;"
        " from engine.client.connect import connect\n"
        f"engine = connect({str(scripted.script)!r}, factory='tests.scripted:load')\n"
        "print(*engine.fill(FillRequest(('', ''))).texts, engine.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    windows = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    answers = {window.stdout.readline() for window in windows if window.stdout}
    assert answers == {f"ok {scripted.events('load')[0]['pid']}\n"}
    assert len(scripted.events("load")) == 1
    for window in windows:
        window.communicate("")


@OVER_BOTH
def test_a_host_outlives_its_last_window_for_a_while(scripted: Scripted) -> None:
    habits = Habits(linger=600.0)
    scripted.write({"text": "ok"})
    with scripted.window(habits) as first:
        first.fill(HERE)
        pid = first.pid
    with scripted.window(habits) as second:
        assert second.fill(HERE).texts == ("ok",)
        assert second.pid == pid
    visit(scripted.address, "shutdown")
    assert len(scripted.events("load")) == 1


def test_an_idle_model_is_unloaded_and_loaded_again(scripted: Scripted) -> None:
    scripted.write({"text": "ok"})
    engine = scripted.window(Habits(linger=0.0, unload_after=0.05))
    assert engine.fill(HERE).texts == ("ok",)
    pid = engine.pid
    wait_until(lambda: visit(scripted.address, "status")["state"] == "unloaded", "the unloading")
    assert engine.info == EngineInfo("scripted", "script")
    assert len(scripted.events("load")) == 1
    assert engine.fill(HERE).texts == ("ok",)
    assert engine.pid == pid
    assert len(scripted.events("load")) == 2


@OVER_BOTH
def test_a_host_with_another_model_ends_when_nobody_uses_it(scripted: Scripted) -> None:
    habits = Habits(linger=600.0)
    scripted.write({"text": "ok"})
    with scripted.window(habits) as idle:
        idle.fill(HERE)
        idle_pid = idle.pid
    assert idle_pid is not None
    used = scripted.window(device="one")
    used.fill(HERE)
    assert not is_running(idle_pid)
    late = scripted.window(device="two")
    late.fill(HERE)
    assert used.fill(HERE).texts == ("ok",)
    log = address_of(late.loaded).log.read_text()
    assert f"another engine runs and keeps its memory: {scripted.script} on one" in log


def test_other_settings_than_the_running_hosts_are_told(
    scripted: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.write({"text": "ok"})
    other = scripted.window(Habits(linger=600.0, unload_after=120.0))
    other._window = "another process's"
    other.fill(HERE)
    engine = scripted.window(Habits(linger=77.0))
    engine.fill(HERE)
    assert engine.disagreement is not None
    for words in ("another window", "2 min", "10 min", "infill-ls engine stop"):
        assert words in engine.disagreement
    assert engine.disagreement in caplog.text
    assert other.disagreement is None
    visit(scripted.address, "shutdown")


def test_a_host_that_nobody_else_uses_takes_new_settings(scripted: Scripted) -> None:
    scripted.write({"text": "ok"})
    with scripted.window(Habits(linger=600.0)) as first:
        first.fill(HERE)
        pid = first.pid
    second = scripted.window(Habits(linger=0.0, unload_after=0.05))
    second.fill(HERE)
    assert (second.pid, second.disagreement) == (pid, None)
    wait_until(lambda: visit(scripted.address, "status")["state"] == "unloaded", "the unloading")


def test_a_warning_of_the_host_is_in_the_windows_log(
    scripted: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    engine = scripted.connect({"raises": "KeyError"})
    with pytest.raises(EngineError):
        engine.fill(HERE)
    assert "host: failed while filling" in caplog.text


@OVER_BOTH
@pytest.mark.parametrize("how", ["close", "killed"])
def test_no_orphan_is_left_mid_fill(scripted: Scripted, how: str) -> None:
    engine = scripted.connect({"hang": True})
    if how == "close":
        job = engine.submit(HERE)
        scripted.wait_for("begin")
        engine.close()
        assert isinstance(job.future.exception(20), HostLost)
        with pytest.raises(HostLost, match="closed"):
            engine.fill(HERE)
    else:
        program = (
            "from engine.client.connect import connect; from engine.api import FillRequest;"
            f"connect({str(scripted.script)!r}, factory='tests.scripted:load')"
            ".fill(FillRequest(('', '')))"
        )
        window = subprocess.Popen([sys.executable, "-c", program])
        scripted.wait_for("begin")
        window.kill()
        window.wait()
    pid = scripted.events("begin")[0]["pid"]
    wait_until(lambda: not is_running(pid), "the host's end")


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGTERM")
def test_a_host_that_is_told_to_end_says_goodbye(scripted: Scripted) -> None:
    engine = scripted.connect(STEPS, {"text": "ok"})
    job = engine.submit(SLOW)
    scripted.wait_for("step")
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGTERM)
    with pytest.raises(HostLost, match="SIGTERM"):
        job.future.result(20)
    assert engine.fill(HERE).texts == ("ok",)


def test_a_working_folder_with_its_own_engine_is_not_run(
    scripted: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").write_text("raise SystemExit('the user\\'s own')")
    monkeypatch.chdir(tmp_path)
    assert scripted.connect({"text": "ours"}).fill(HERE).texts == ("ours",)


def test_json_round_trips() -> None:
    request = FillRequest(
        ("a", "b", "c"),
        "python",
        "/p.py",
        Shape.LINE,
        context=(Snippet("s", "/s.py"), Snippet("t")),
        max_tokens=8,
        steps=4,
        candidates=2,
        draft=("x", "y"),
        seed=3,
    )
    fill = Fill(
        ("x",), 0.25, 3, 32, 0.5, (Alternative(("x",), 1.0, 0.25), Alternative(("y",), 0.5, 0.125))
    )
    draft = Draft(("x", "y"), 1, 4, ((Span(0, 1, 0.5),), ()))

    def through(message: dict[str, Any]) -> dict[str, Any]:
        return wire.decode_line(wire.encode_line(message))

    def bare(message: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in through(message).items() if key != "jsonrpc"}

    for each in (request, replace(request, draft=None, context=())):
        for terms in (wire.Terms(), wire.Terms(Priority.SPECULATIVE, "inline", 1.5, True)):
            assert wire.fill_from_params(bare(wire.fill_to_params(each, terms))) == (each, terms)
    assert wire.fill_from_json(bare(wire.fill_to_json(fill))) == fill
    assert wire.draft_from_json(bare(wire.draft_to_json(draft))) == draft


@pytest.mark.parametrize(
    "changed",
    [
        {"texts": "text"},
        {"texts": ["a"]},
        {"sleeps": 3},
        {"shape": "round"},
        {"priority": "urgent"},
        {"priority": None},
        {"slot": 3},
        {"within": "soon"},
        {"within": -1},
        {"within": float("nan")},
        {"context": [{"words": "x"}]},
    ],
    ids=str,
)
def test_what_is_no_request_is_refused(changed: dict[str, Any]) -> None:
    line = json.loads(json.dumps({"texts": ["a", "b"], **changed}))
    with pytest.raises(BadRequest):
        wire.fill_from_params(line)


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    assert __version__ == project["project"]["version"]
