"""Whether a host that says nothing still lives, as its client can tell from outside.

A host is silent for a while as it reads a model from a slow disk, or where many programs share the
processor: it must not be ended for that. But a process that has something to read and is not given
the processor once, though it neither wants it nor waits for a disk, was stopped or is blocked.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LOOK = 0.5  # seconds between two looks
STILL = 2.0  # seconds without a turn of any thread, with something to read

# proc(5): running or about to, waiting for a disk, held by a debugger.
EXCUSED = frozenset("RDt")


@dataclass(frozen=True, slots=True)
class Signs:
    """Of a process's threads: how often they were given a processor, and their states, one letter
    each as in proc(5)."""

    turns: int
    states: frozenset[str]

    @property
    def is_excused(self) -> bool:
        return not self.states.isdisjoint(EXCUSED)


class Pulse:
    """What a client has seen of process `pid` since it last said something. Times are counted in
    looks, so that none passes while the client itself does not run.

    `silent` are the seconds without a word, `still` those of them without any sign of life;
    `is_excused` that it was at work or held back when last looked at. Where the system shows no
    signs, silence is all there is.
    """

    __slots__ = ("_pid", "_signs", "silent", "still")

    def __init__(self, pid: int | None) -> None:
        self._pid = pid
        self.heard()

    def heard(self) -> None:
        self._signs: Signs | None = None
        self.silent = self.still = 0.0

    def look(self) -> None:
        """To be called every LOOK seconds, after something was sent that a host answers at once."""
        before, self._signs = self._signs, _signs_of(self._pid)
        self.silent += LOOK
        same = before is not None and before == self._signs and not before.is_excused
        self.still = self.still + LOOK if same else 0.0

    @property
    def is_excused(self) -> bool:
        return self._signs is not None and self._signs.is_excused


def _signs_of(pid: int | None) -> Signs | None:
    """None where the system does not tell (Linux alone does), or there is no such process."""
    turns, states = 0, set()
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for line in (thread / "status").read_text().splitlines():
                name, _, value = line.partition(":")
                if name == "State":
                    states.add(value.split()[0])
                elif name.endswith("ctxt_switches"):  # voluntary ones and others
                    turns += int(value)
    except OSError:
        return None
    return Signs(turns, frozenset(states)) if states else None
