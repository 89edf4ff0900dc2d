"""Whether somebody waits for fills: while they do, the processor is theirs. Imports no torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from engine.api import EngineError
from engine.client.address import addresses
from engine.client.channel import NoHost
from engine.client.greeting import visit

LOOK_EVERY = 2.0  # seconds
QUIET = 15.0  # seconds without a fill, after which nobody is taken to be typing
VISIT = 1.0  # seconds for a host to answer; one that is slower is at work


class Quiet:
    """Asks the engine's processes of this user what they have filled; starts none.

    A fill since the last look, or one under way, means that somebody works.
    """

    def __init__(
        self,
        fills: Callable[[], int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fills = fills or fills_so_far
        self._clock = clock
        self._looked = -LOOK_EVERY
        self._busy_until = -1.0
        self._seen: int | None = None

    def is_quiet(self) -> bool:
        """Looks at most once in LOOK_EVERY seconds: in between, what it found then."""
        now = self._clock()
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            fills = self._fills()
            if self._seen is not None and fills != self._seen:
                self._busy_until = now + QUIET
            self._seen = fills
        return now >= self._busy_until


def fills_so_far() -> int:
    """A number that changes whenever a fill is asked for, is under way, or has been made."""
    return sum(_fills_of_hosts())


def _fills_of_hosts() -> Iterator[int]:
    try:
        there = list(addresses())
    except (EngineError, OSError):
        return
    for address in there:
        try:
            told = visit(address, "status", VISIT)
            # Twice, so that a fill that was under way and has been made changes it again.
            yield 2 * int(told["filled"]) + int(told["running"]) + int(told["waiting"])
        except TimeoutError:
            yield int(time.monotonic() // LOOK_EVERY)  # it is at work: no two looks are alike
        except (NoHost, EngineError, ValueError, KeyError):
            continue


__all__ = ["LOOK_EVERY", "Quiet", "fills_so_far"]
