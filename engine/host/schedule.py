"""Which fill the model works on next. Knows no process, no thread and no clock.

- The foreground goes before the speculative, and takes the model from it: nobody waits for that.
- Windows take turns: the one that was served longest ago is next.
- Within a window the newest goes first. A newer request for the same slot takes the older one's
  place, waiting or running; of its speculative requests a window keeps the newest alone.
- What is taken runs until `finish`. Foreground requests may run beside each other, if the model can
  do several at a time; speculation runs alone.
- A window may have `WINDOW_LIMIT` requests waiting, all of them `LIMIT`: what is too much ends.

Every ticket leaves the schedule exactly once: from `take`, or among what `put`, `stop`, `leave` and
`expire` return, and then whoever called has to answer it. A running ticket is only told to stop.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.api import Cancelled, EngineError, Priority

LIMIT = 256
WINDOW_LIMIT = 16


@dataclass(slots=True, eq=False)
class Ticket:
    """A request and its terms. `deadline` is on the caller's clock; `work` is the caller's own."""

    window: Hashable
    work: Any = None
    priority: Priority = Priority.FOREGROUND
    slot: str | None = None
    deadline: float | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    why: EngineError = field(default_factory=lambda: Cancelled("cancelled"))

    def end(self, why: EngineError) -> None:
        """Tell it to stop; the first reason stays."""
        if not self.stop.is_set():
            self.why = why
            self.stop.set()


class Schedule:
    def __init__(self, limit: int = LIMIT, window_limit: int = WINDOW_LIMIT) -> None:
        self._limit = limit
        self._window_limit = window_limit
        self._waiting: list[Ticket] = []  # oldest first
        self._turn: dict[Hashable, int] = {}  # when a window was last served
        self._turns = 0
        self.running: list[Ticket] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, ticket: Ticket) -> list[Ticket]:
        """Take `ticket` in; what it drives out is returned."""
        out = self._remove(
            lambda other: _replaces(ticket, other), Cancelled("a newer request took its place")
        )
        for running in self.running:
            if _replaces(ticket, running):
                running.end(Cancelled("a newer request took its place"))
            elif _is_foreground(ticket) and not _is_foreground(running):
                running.end(Cancelled("somebody waits for another fill"))
        self._waiting.append(ticket)
        mine = [other for other in self._waiting if other.window == ticket.window]
        if len(mine) > self._window_limit:
            oldest = _least_wanted(mine)
            out += self._remove(lambda other: other is oldest, Cancelled("too many newer requests"))
        if len(self._waiting) > self._limit:
            busy = EngineError(
                f"the engine is busy: {self._limit} requests wait already; try again in a moment"
            )
            last = _least_wanted(self._of_fullest_window())
            out += self._remove(lambda other: other is last, busy)
        return out

    def take(self, per_window: int | None = None) -> Ticket | None:
        """The next to run, which runs from now on until `finish`; None where none may: none waits,
        others run that it may not run beside, or `per_window` of its window run already."""
        waiting = self._waiting
        if per_window is not None:
            running = Counter(each.window for each in self.running)
            waiting = [each for each in waiting if running[each.window] < per_window]
        if self.running:
            alone = not all(map(_is_foreground, self.running))
            waiting = [] if alone else [each for each in waiting if _is_foreground(each)]
        if not waiting:
            return None
        ticket = min(reversed(waiting), key=self._order)
        self._waiting.remove(ticket)
        self._turns += 1
        self._turn[ticket.window] = self._turns
        self.running.append(ticket)
        return ticket

    def finish(self, ticket: Ticket) -> None:
        self.running.remove(ticket)

    def stop(self, ticket: Ticket, why: EngineError | None = None) -> list[Ticket]:
        why = why or Cancelled("cancelled before it began")
        if ticket in self.running:
            ticket.end(why)
        return self._remove(lambda other: other is ticket, why)

    def leave(self, window: Hashable) -> list[Ticket]:
        """A window has gone, and nobody waits for its fills."""
        why = Cancelled("its window has gone")
        self._turn.pop(window, None)
        for running in self.running:
            if running.window == window:
                running.end(why)
        return self._remove(lambda other: other.window == window, why)

    def expire(self, now: float) -> list[Ticket]:
        why = Cancelled("its deadline has passed")
        for running in self.running:
            if _is_late(running, now):
                running.end(why)
        return self._remove(lambda other: _is_late(other, now), why)

    def _order(self, ticket: Ticket) -> tuple[bool, int]:
        return not _is_foreground(ticket), self._turn.get(ticket.window, 0)

    def _remove(self, is_out: Callable[[Ticket], bool], why: EngineError) -> list[Ticket]:
        out = [ticket for ticket in self._waiting if is_out(ticket)]
        self._waiting = [ticket for ticket in self._waiting if not is_out(ticket)]
        for ticket in out:
            ticket.end(why)
        return out

    def _of_fullest_window(self) -> list[Ticket]:
        windows: dict[Hashable, list[Ticket]] = {}
        for ticket in self._waiting:
            windows.setdefault(ticket.window, []).append(ticket)
        return max(reversed(windows.values()), key=len)


def _replaces(newer: Ticket, older: Ticket) -> bool:
    if newer.window != older.window:
        return False
    if newer.slot is not None and newer.slot == older.slot:
        return True
    return not _is_foreground(newer) and not _is_foreground(older)


def _least_wanted(tickets: Iterable[Ticket]) -> Ticket:
    """The oldest speculative one, or else the oldest."""
    return min(tickets, key=_is_foreground)


def _is_foreground(ticket: Ticket) -> bool:
    return ticket.priority is Priority.FOREGROUND


def _is_late(ticket: Ticket, now: float) -> bool:
    return ticket.deadline is not None and ticket.deadline <= now
