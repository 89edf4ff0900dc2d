"""What goes wrong around a host, with real processes: what is pending fails with its cause, the
next request works, and no process is left (Scripted.end)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from engine.api import Cancelled, EngineError, FillRequest, HostLost, OutOfMemory
from engine.client import wire
from engine.client.channel import Channel, dial
from engine.client.connect import HostEngine
from engine.client.find import Patience
from engine.client.greeting import say_hello, visit
from engine.client.habits import Habits
from tests.hosting import HERE, SLOW, STEPS, Scripted, hello, impostor, wait_until

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="these faults are made with POSIX"),
    pytest.mark.usefixtures("transport"),
]

OK = {"text": "ok"}


def works(engine: HostEngine) -> bool:
    return engine.fill(HERE).texts == ("ok",)


def test_killed_mid_fill(scripted: Scripted) -> None:
    engine, other = scripted.connect(STEPS, OK), scripted.window()
    assert works(other)
    jobs = [engine.submit(SLOW)]
    scripted.wait_for("step", 2)
    jobs += [engine.submit(HERE), other.submit(HERE)]
    wait_until(lambda: visit(scripted.address, "status")["waiting"] == 2, "both to wait")
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    causes = []
    for job in jobs:
        with pytest.raises(HostLost, match="the next request starts a new one") as caught:
            job.future.result(20)
        causes.append(str(caught.value))
    assert "SIGKILL" in " ".join(causes)  # who started the process knows how it ended
    assert works(engine)
    assert works(other)
    assert engine.pid == other.pid
    assert len(scripted.events("load")) == 2


def test_a_fill_that_hangs_ends_its_host(scripted: Scripted) -> None:
    scripted.write({"after": "slow ", "hang": True}, OK)
    engine = scripted.window(Habits(linger=0.0, cancel_patience=0.2))
    job = engine.submit(SLOW)
    scripted.wait_for("begin")
    innocent = engine.submit(HERE)
    job.cancel()
    with pytest.raises(Cancelled):
        job.future.result(20)
    with pytest.raises(HostLost, match="did not stop a fill within"):
        innocent.future.result(20)
    assert works(engine)


def test_a_host_that_knows_its_fills_waits_less_for_one_that_hangs(scripted: Scripted) -> None:
    scripted.write({"after": "slow ", "hang": True}, OK)
    engine = scripted.window(Habits(linger=0.0, cancel_patience=3600.0))
    assert works(engine)
    job = engine.submit(SLOW)
    scripted.wait_for("begin", 2)
    innocent = engine.submit(HERE)
    job.cancel()
    with pytest.raises(HostLost, match="did not stop a fill within 2 s"):
        innocent.future.result(20)
    assert works(engine)


def test_a_fill_that_hangs_when_its_window_is_killed(scripted: Scripted) -> None:
    scripted.write({"after": "slow ", "hang": True}, OK)
    habits = Habits(linger=0.0, cancel_patience=0.2)
    engine, other = scripted.window(habits), scripted.window(habits)
    assert works(other)
    engine.submit(SLOW)
    scripted.wait_for("begin", 2)
    waiting = other.submit(HERE)
    engine.close()
    with pytest.raises(HostLost, match="did not stop"):
        waiting.future.result(20)
    assert works(other)


@pytest.mark.skipif(sys.platform != "linux", reason="shows no signs of life")
@pytest.mark.parametrize("when", ["idle", "mid-fill", "cancelled", "before hello"])
def test_a_process_that_hangs_is_ended(scripted: Scripted, when: str) -> None:
    scripted.write(STEPS, OK)
    habits, patience = Habits(linger=0.0, cancel_patience=3600.0), Patience(still=0.5)
    engine = scripted.window(habits, patience)
    assert works(engine)
    if when != "idle":
        job = engine.submit(SLOW)
        scripted.wait_for("step", 2)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGSTOP)
    match when:
        case "idle":
            job = engine.submit(FillRequest(("much " * 200_000, "")))  # more than a socket holds
        case "cancelled":
            job.cancel()
        case "before hello":
            assert works(scripted.window(habits, patience))
    ends = {"cancelled": "cancelled", "before hello": "SIGKILL"}.get(when, "did not answer for")
    with pytest.raises(EngineError, match=ends):
        job.future.result(20)
    assert works(engine)


def test_a_host_that_loads_is_not_taken_for_hanging(scripted: Scripted) -> None:
    scripted.write(OK, load={"seconds": 1.5, "holds": 1.5})
    engine = scripted.window(patience=Patience(still=0.5))
    assert works(engine)
    assert len(scripted.events("load")) == 1


@pytest.mark.parametrize("where", ["load", "fill"])
def test_out_of_memory(scripted: Scripted, where: str) -> None:
    if where == "load":
        scripted.write(OK, load={"error": {"kind": "out_of_memory", "message": "24 GB"}})
    else:
        scripted.write({"after": "slow ", "raises": "MemoryError"}, OK)
    engine = scripted.window()
    with pytest.raises(OutOfMemory):
        engine.fill(SLOW)
    if where == "fill":
        assert works(engine)
        assert len(scripted.events("load")) == 1


GARBAGE = {
    "bytes": b"\x00\xff\xfe{{{{\n",
    "no line end": b"\x89" * 5000,
    "another protocol": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no object": b"[]\n",
    "no method": b"{}\n",
    "deep": b"[" * 100_000 + b"\n",
    "strange types": b'{"id": [1], "method": {"a": 1}, "params": 7}\n',
    "a fill of nothing": b'{"id": 1, "method": "fill", "params": []}\n',
    "a fill of anything": b'{"id": {"x": 1}, "method": "fill", "params": {"texts": 9}}\n',
    "a cancel of nothing": b'{"method": "cancel"}\n{"method": "cancel", "params": {"id": []}}\n',
}


@pytest.mark.parametrize("greeted", [True, False], ids=["after hello", "before hello"])
def test_garbage_from_a_client_is_its_own_problem(scripted: Scripted, greeted: bool) -> None:
    engine = scripted.connect(STEPS, OK)
    job = engine.submit(SLOW)
    scripted.wait_for("step")
    for garbage in GARBAGE.values():
        rogue = dial(scripted.address, 5)
        if greeted:
            say_hello(rogue, "visitor")
        rogue.socket.sendall(garbage)
        rogue.socket.shutdown(socket.SHUT_WR)
        with suppress(OSError):
            while rogue.socket.recv(1 << 16):
                pass
        rogue.close()
    assert not job.future.done()
    job.cancel()
    assert isinstance(job.future.exception(20), Cancelled)
    assert works(engine)
    assert len(scripted.events("load")) == 1


def test_lines_that_are_no_request_are_answered_or_dropped(scripted: Scripted) -> None:
    scripted.connect(OK).fill(HERE)
    visitor = dial(scripted.address, 5)
    say_hello(visitor, "visitor")
    lines = [
        "not json",
        "[]",
        '{"id": 1, "method": "dance"}',
        '{"method": "dance"}',
        '{"id": 2, "method": "fill", "params": {"texts": "text"}}',
        '{"method": "cancel", "params": {"id": 99}}',
        "",
        '{"id": "six", "method": "status"}',
    ]
    visitor.socket.sendall("".join(line + "\n" for line in lines).encode())
    answers = [visitor.receive() for _ in range(5)]
    visitor.close()
    assert [(each["id"], each.get("error", {}).get("code")) for each in answers] == [
        (None, wire.PARSE_ERROR),
        (None, wire.PARSE_ERROR),
        (1, wire.METHOD_NOT_FOUND),
        (2, wire.FILL_FAILED),
        ("six", None),
    ]


SICK = [
    ("nonsense for hello", [b"\x00\xff\n"], "nonsense"),
    ("another answer for hello", [b'{"id": 0, "result": 3}\n'], "nonsense"),
    ("half a hello", [b'{"id": 0, '], "nonsense"),
    ("another version", [hello(protocol=99)], "0.0.1.*infill-ls engine stop"),
    ("nonsense for a fill", [hello(), b"\xff\xff\n"], "cannot be read"),
    ("an empty answer", [hello(), b'{"id": 1, "result": {}}\n'], "unreadable"),
    ("no object", [hello(), b"[]\n"], "cannot be read"),
    ("a strange draft", [hello(), b'{"method": "draft", "params": 3}\n'], "cannot be understood"),
    ("an end", [hello(), b""], "has gone"),
]


@pytest.mark.parametrize(("says", "words"), [case[1:] for case in SICK], ids=[c[0] for c in SICK])
def test_garbage_from_the_host(scripted: Scripted, says: list[bytes], words: str) -> None:
    engine = scripted.connect(OK)
    with impostor(scripted.address, *says, is_host=True), pytest.raises(EngineError, match=words):
        engine.fill(HERE)
    wait_until(lambda: engine.pid is None, "the connection's end")
    assert works(engine)


def test_what_is_no_host_is_replaced(scripted: Scripted) -> None:
    engine = scripted.connect(OK)
    with impostor(scripted.address, b"220 smtp ready\r\n", is_host=False):
        assert works(engine)


def test_a_socket_that_outlived_its_host(scripted: Scripted) -> None:
    engine = scripted.connect(OK)
    assert works(engine)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    wait_until(lambda: engine.pid is None, "the connection's end")
    assert scripted.address.is_served()
    assert works(engine)


def test_a_client_of_another_version_is_told(scripted: Scripted) -> None:
    engine = scripted.connect(OK)
    assert works(engine)
    old = dial(scripted.address, 5)
    me = {"protocol": 99, "version": "7.7", "role": "window"}
    old.send({"id": 0, "method": "hello", "params": me})
    error = old.receive()["error"]
    old.close()
    for words in ("7.7", str(engine.pid), "infill-ls engine stop"):
        assert words in error["message"]
    assert works(engine)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")  # noqa: PTH110
def test_a_full_disk_costs_the_log_alone(scripted: Scripted) -> None:
    scripted.write({"after": "slow ", "raises": "KeyError"}, {**OK, "print": "x"})
    scripted.address.log.symlink_to("/dev/full")
    engine = scripted.window()
    with pytest.raises(EngineError, match="KeyError"):
        engine.fill(SLOW)
    assert works(engine)


@pytest.mark.parametrize("what", ["log", "lock", "socket", "port"])
def test_a_folder_where_nothing_can_be_written(scripted: Scripted, what: str) -> None:
    """Folders in the files' places, which root cannot write either."""
    engine = scripted.connect(OK)
    path = getattr(scripted.address, what)
    path.mkdir()
    if what == "log":
        assert works(engine)
    else:
        with pytest.raises(EngineError, match="engine"):
            engine.fill(HERE)
    path.rmdir()
    assert works(engine)


def test_fifty_windows_at_once(scripted: Scripted) -> None:
    scripted.write({"text": "ok"})
    engines = [scripted.window() for _ in range(50)]
    with ThreadPoolExecutor(50) as pool:
        assert all(pool.map(works, engines))
    assert len(scripted.events("load")) == 1
    assert visit(scripted.address, "status")["windows"] == 50


def test_a_window_that_is_killed_frees_the_model(scripted: Scripted) -> None:
    engine = scripted.connect(STEPS, OK)
    assert works(engine)
    program = (
        "from engine.client.connect import connect; from engine.api import FillRequest;"
        f"connect({str(scripted.script)!r}, factory='tests.scripted:load')"
        ".fill(FillRequest(('slow ', '')))"
    )
    window = subprocess.Popen([sys.executable, "-c", program])
    scripted.wait_for("begin", 2)
    waiting = engine.submit(HERE)
    window.kill()
    window.wait()
    assert waiting.future.result(20).texts == ("ok",)
    assert len(scripted.events("cancelled")) == 1
    assert visit(scripted.address, "status")["windows"] == 1


def test_a_window_that_does_not_read_is_no_other_windows_problem(scripted: Scripted) -> None:
    engine = scripted.connect({"after": "slow ", "text": "x" * 300_000, "steps": 40}, OK)
    assert works(engine)
    deaf: Channel = dial(scripted.address, 5)
    say_hello(deaf, "window")
    deaf.send(
        {"id": 1, "method": "fill", "params": wire.fill_to_params(SLOW, wire.Terms(drafts=True))}
    )
    scripted.wait_for("begin", 2)
    assert works(engine)
    deaf.close()
