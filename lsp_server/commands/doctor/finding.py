"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"  # fills come, but not as they could
    WRONG = "wrong"  # no fill comes


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination. `fix` says what to do about it, where something is to do."""

    name: str
    state: State
    message: str
    fix: str = ""

    def __post_init__(self) -> None:
        if (self.state is State.OK) == bool(self.fix):
            raise ValueError(f"{self.name}: a fix belongs to what is not ok, and only there")


def ok(name: str, message: str) -> Finding:
    return Finding(name, State.OK, message)


def warning(name: str, message: str, fix: str) -> Finding:
    return Finding(name, State.WARNING, message, fix)


def wrong(name: str, message: str, fix: str) -> Finding:
    return Finding(name, State.WRONG, message, fix)
