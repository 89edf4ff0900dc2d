"""Numbers that can be added up: of this session, of all windows, of all days."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# Seconds after which an accepted fill is looked at again: acceptance alone rewards trivial fills.
KEPT_AFTER = (30, 300)
# A latency is counted in a bucket this much wider than the one before: within 5 percent.
BUCKET = 1.1


class Kind(StrEnum):
    INLINE = "inline"
    COMPLETION = "completion"
    ACTION = "action"


@dataclass(slots=True)
class Count:
    """Of one kind. `looked` and `kept` are by the seconds of KEPT_AFTER, `latency` by bucket."""

    shown: int = 0
    accepted: int = 0
    looked: dict[int, int] = field(default_factory=dict)
    kept: dict[int, int] = field(default_factory=dict)
    latency: dict[int, int] = field(default_factory=dict)

    def answered(self, seconds: float) -> None:
        bucket = round(math.log(max(seconds * 1000, 0.01), BUCKET))
        self.latency[bucket] = self.latency.get(bucket, 0) + 1

    def survived(self, after: int, kept: bool) -> None:
        self.looked[after] = self.looked.get(after, 0) + 1
        self.kept[after] = self.kept.get(after, 0) + kept

    def percentile(self, share: float) -> float | None:
        """Milliseconds within which that share of the answers came; None without answers."""
        left = math.ceil(share * sum(self.latency.values()))
        for bucket, count in sorted(self.latency.items()):
            left -= count
            if left <= 0:
                return float(BUCKET**bucket)
        return None

    def add(self, other: Count) -> None:
        self.shown += other.shown
        self.accepted += other.accepted
        for mine, theirs in (
            (self.looked, other.looked),
            (self.kept, other.kept),
            (self.latency, other.latency),
        ):
            for key, number in theirs.items():
                mine[key] = mine.get(key, 0) + number


@dataclass(slots=True)
class Counters:
    kinds: dict[Kind, Count] = field(default_factory=lambda: {kind: Count() for kind in Kind})

    def __bool__(self) -> bool:
        return any(count.shown or count.accepted or count.looked for count in self.kinds.values())

    def __getitem__(self, kind: Kind) -> Count:
        return self.kinds[kind]

    def add(self, other: Counters) -> None:
        for kind, count in other.kinds.items():
            self.kinds[kind].add(count)

    def as_json(self) -> dict[str, Any]:
        return {
            str(kind): {
                "shown": count.shown,
                "accepted": count.accepted,
                "looked": count.looked,
                "kept": count.kept,
                "latency": count.latency,
            }
            for kind, count in self.kinds.items()
        }

    @classmethod
    def from_json(cls, data: Any) -> Counters:
        """Raises ValueError where it is not what `as_json` gives."""
        counters = cls()
        try:
            for name, numbers in data.items():
                count = counters[Kind(name)]
                count.shown, count.accepted = (
                    _number(numbers["shown"]),
                    _number(numbers["accepted"]),
                )
                count.looked = _numbers(numbers["looked"])
                count.kept = _numbers(numbers["kept"])
                count.latency = _numbers(numbers["latency"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"these are no counters: {error!r}") from error
        return counters


def _numbers(data: Any) -> dict[int, int]:
    return {int(key): _number(value) for key, value in data.items()}


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value
