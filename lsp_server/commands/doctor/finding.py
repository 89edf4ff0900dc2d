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
    """One line of the examination. `mend` says what to do about it, where something is to do."""

    name: str
    state: State
    says: str
    mend: str = ""

    def __post_init__(self) -> None:
        if (self.state is State.OK) == bool(self.mend):
            raise ValueError(f"{self.name}: a mend belongs to what is not ok, and only there")


def ok(name: str, says: str) -> Finding:
    return Finding(name, State.OK, says)


def warning(name: str, says: str, mend: str) -> Finding:
    return Finding(name, State.WARNING, says, mend)


def wrong(name: str, says: str, mend: str) -> Finding:
    return Finding(name, State.WRONG, says, mend)
