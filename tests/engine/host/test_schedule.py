"""Which fill is next, without a process. A ticket is a letter."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from engine.api import Cancelled, EngineError, Priority
from engine.host.schedule import Schedule, Ticket

FOREGROUND, SPECULATIVE = Priority.FOREGROUND, Priority.SPECULATIVE


@dataclass(frozen=True, slots=True)
class Put:
    name: str
    window: str = "w"
    priority: Priority = FOREGROUND
    slot: str | None = None


def speculative(name: str, window: str = "w") -> Put:
    return Put(name, window, SPECULATIVE)


@dataclass(frozen=True, slots=True)
class Case:
    """`run` is put first and runs while the others come. `order` is in which they are taken."""

    name: str
    puts: list[Put]
    order: str
    out: str = ""
    run: Put | None = None
    stops_running: bool = False
    limits: tuple[int, int] = (256, 16)


CASES = [
    Case("the newest of a window goes first", [Put("a"), Put("b"), Put("c")], "cba"),
    Case("windows take turns", [Put("a"), Put("b"), Put("c", "x"), Put("d", "y")], "dcba"),
    Case(
        "whoever was served longest ago is next",
        [Put("a", "x"), Put("b", "x"), Put("c", "y")],
        "bca",
        run=Put("r", "y"),
    ),
    Case(
        "a window that asks much waits for one that asks little",
        [Put("a", "x"), Put("b", "x"), Put("c", "x"), Put("d", "y"), Put("e", "y")],
        "ecdba",
    ),
    Case("the foreground first", [Put("a"), speculative("b", "x"), Put("c", "y")], "cab"),
    Case("the foreground first, in one window", [Put("a"), speculative("b")], "ab"),
    Case("one speculative request a window", [speculative(n) for n in "abc"], "c", out="ab"),
    Case("of each window", [speculative("a"), speculative("b", "x")], "ba"),
    Case(
        "a slot holds the newest",
        [Put("a", slot="inline"), Put("b", slot="inline"), Put("c", slot="other"), Put("d")],
        "dcb",
        out="a",
    ),
    Case("of its own window", [Put("a", "x", slot="s"), Put("b", "y", slot="s")], "ba"),
    Case("a slot's running one stops", [Put("a", slot="s")], "a", "", Put("r", slot="s"), True),
    Case("another slot's goes on", [Put("a", slot="s")], "a", "", Put("r", slot="t")),
    Case("no slot is no slot", [Put("a")], "a", run=Put("r")),
    Case("speculation gives way", [Put("a", "x")], "a", "", speculative("r"), True),
    Case("also to a newer speculation", [speculative("a")], "a", "", speculative("r"), True),
    Case("but not to another window's", [speculative("a", "x")], "a", run=speculative("r")),
    Case("the foreground does not", [Put("a", "x"), speculative("b")], "ab", run=Put("r")),
    Case("a window's limit", [Put(n) for n in "abcd"], "dcb", out="a", limits=(9, 3)),
    Case(
        "speculation is dropped first",
        [Put("a"), speculative("b"), Put("c"), Put("d")],
        "dca",
        out="b",
        limits=(9, 3),
    ),
    Case(
        "the fullest window pays",
        [Put("a", "x"), Put("b", "x"), Put("c", "y"), Put("d", "z")],
        "dcb",
        out="a",
        limits=(3, 3),
    ),
]


def ticket(put: Put) -> Ticket:
    return Ticket(put.window, put.name, put.priority, put.slot)


def rest(schedule: Schedule) -> str:
    names = ""
    while (taken := schedule.take()) is not None:
        names += taken.work
        schedule.finish(taken)
    return names


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_order(case: Case) -> None:
    schedule = Schedule(*case.limits)
    running = None
    if case.run is not None:
        schedule.put(ticket(case.run))
        running = schedule.take()
    out = [gone for put in case.puts for gone in schedule.put(ticket(put))]
    assert "".join(gone.work for gone in out) == case.out
    assert all(gone.stop.is_set() for gone in out)
    assert running is None or running.stop.is_set() is case.stops_running
    if running is not None:
        schedule.finish(running)
    assert rest(schedule) == case.order


@pytest.mark.parametrize(
    ("run", "puts", "beside"),
    [
        (Put("r"), [Put("a"), Put("b", "x"), speculative("c", "y")], "ba"),
        (Put("r"), [speculative("a", "x")], ""),
        (speculative("r"), [speculative("a", "x")], ""),
        (speculative("r"), [Put("a", "x")], ""),
    ],
    ids=["the foreground", "no speculation", "nor beside it", "nor beside what has to stop"],
)
def test_what_may_run_beside_others(run: Put, puts: list[Put], beside: str) -> None:
    schedule = Schedule()
    schedule.put(ticket(run))
    running = [schedule.take()]
    for put in puts:
        schedule.put(ticket(put))
    while (taken := schedule.take()) is not None:
        running.append(taken)
    assert "".join(each.work for each in running[1:] if each) == beside
    assert schedule.running == running
    for each in schedule.running.copy():
        schedule.finish(each)
    assert len(rest(schedule)) == len(puts) - len(beside)


def test_a_window_has_so_many_places_and_no_more() -> None:
    schedule = Schedule()
    for name, window in (("a", "x"), ("b", "x"), ("c", "x"), ("d", "y"), ("e", "y")):
        schedule.put(Ticket(window, name))
    taken = []
    while (each := schedule.take(per_window=2)) is not None:
        taken.append(each)
    assert [each.work for each in taken] == ["e", "c", "d", "b"]
    schedule.finish(taken[1])
    last = schedule.take(per_window=2)
    assert last is not None
    assert last.work == "a"


def test_nobody_waits_for_ever_behind_a_busy_window() -> None:
    schedule = Schedule()
    schedule.put(Ticket("patient", "p"))
    served = ""
    for _ in range(3):
        for _ in range(5):
            schedule.put(Ticket("busy", "b"))
        taken = schedule.take()
        assert taken is not None
        served += taken.work
        schedule.finish(taken)
    assert "p" in served[:2]


def test_what_is_too_much_is_told_why() -> None:
    schedule = Schedule(limit=1)
    schedule.put(Ticket("x"))
    (out,) = schedule.put(Ticket("y"))
    assert type(out.why) is EngineError
    assert "busy" in str(out.why)


def test_cancel() -> None:
    schedule = Schedule()
    running, waiting, other = (Ticket(window) for window in "xyz")
    schedule.put(running)
    schedule.take()
    for each in (waiting, other):
        schedule.put(each)
    assert schedule.stop(running) == []  # answered when its step ends
    assert running.stop.is_set()
    assert schedule.stop(waiting) == [waiting]
    assert schedule.stop(waiting) == []
    assert isinstance(waiting.why, Cancelled)
    schedule.finish(running)
    assert schedule.take() is other


def test_a_window_that_leaves_takes_all_its_tickets_along() -> None:
    schedule = Schedule()
    tickets = [Ticket("x"), Ticket("x"), Ticket("y")]
    for each in tickets:
        schedule.put(each)
    schedule.take()  # y's, the newest
    assert schedule.leave("x") == tickets[:2]
    assert not tickets[2].stop.is_set()
    assert schedule.leave("y") == []
    assert tickets[2].stop.is_set()
    assert len(schedule) == 0


def test_deadlines() -> None:
    schedule = Schedule()
    running, early, late, never = tickets = [
        Ticket("w", "r", deadline=3.0),
        Ticket("x", "e", deadline=1.0),
        Ticket("y", "l", deadline=2.0),
        Ticket("z", "n"),
    ]
    schedule.put(running)
    schedule.take()
    for each in tickets[1:]:
        schedule.put(each)
    for now, out in [(0.5, []), (1.0, [early]), (2.5, [late]), (4.0, [])]:
        assert not running.stop.is_set()
        assert schedule.expire(now) == out
    assert running.stop.is_set()
    assert "deadline" in str(running.why)
    assert not never.stop.is_set()
