"""How a host behaves, as its first window wants it."""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Habits:
    """All in seconds. Raises ValueError when one is negative.

    `linger`: a host ends so long after its last window has left. `unload_after`: without a fill for
    so long, it lets the model go and keeps running; None for never. `cancel_patience`: a fill that
    does not stop within it hangs, and the host ends, since nothing else can stop it. It is less as
    soon as the host knows how long fills take.
    """

    linger: float = 300.0
    unload_after: float | None = 1800.0
    cancel_patience: float = 30.0

    def __post_init__(self) -> None:
        for name, seconds in asdict(self).items():
            if not ((seconds is None and name == "unload_after") or seconds >= 0):
                raise ValueError(f"{name} must be at least 0 seconds, not {seconds}")

    @classmethod
    def from_json(cls, document: Any) -> Habits:
        """Raises ValueError for what is none."""
        try:
            unload_after = document["unload_after"]
            return cls(
                linger=float(document["linger"]),
                unload_after=None if unload_after is None else float(unload_after),
                cancel_patience=float(document["cancel_patience"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"the habits cannot be read: {error!r}") from error

    def in_environment(self) -> Habits:
        """These, but for what the environment says: INFILL_LINGER, INFILL_UNLOAD_AFTER and
        INFILL_CANCEL_PATIENCE, in seconds or "never"."""
        return Habits(
            linger=_forever(_seconds("INFILL_LINGER", self.linger)),
            unload_after=_seconds("INFILL_UNLOAD_AFTER", self.unload_after),
            cancel_patience=_forever(_seconds("INFILL_CANCEL_PATIENCE", self.cancel_patience)),
        )

    def __str__(self) -> str:
        unloads = "never" if self.unload_after is None else f"after {_in_words(self.unload_after)}"
        lingers = "never" if math.isinf(self.linger) else f"{_in_words(self.linger)} after that"
        return f"without a fill it frees the model {unloads}, without a window it ends {lingers}"


def _in_words(seconds: float) -> str:
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"


def _forever(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds


def _seconds(variable: str, default: float | None) -> float | None:
    given = os.environ.get(variable, "")
    if given == "never":
        return None
    try:
        seconds = float(given)
    except ValueError:
        return default
    return seconds if seconds >= 0 else default
