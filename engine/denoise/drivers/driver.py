"""What every driver is."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol, TypeVar

from engine.denoise.loop import Answer, Question

T = TypeVar("T")


class Driver(Protocol):
    """Answers the questions of one fill, or of several that wait. Its methods belong to one thread.

    What a fill is answered does not depend on whose questions are answered beside it, but for
    rounding.
    """

    def answer(self, questions: Sequence[Question], /) -> list[Answer]:
        """One for each of `questions`, of which there is at least one, in their order."""
        ...


def run(steps: Generator[Question, Answer, T], driver: Driver) -> T:
    """What `steps` come to when `driver` answers them alone."""
    try:
        question = next(steps)
        while True:
            # Not by name: what an answer was made of may go before the next look.
            question = steps.send(driver.answer([question])[0])
    except StopIteration as end:
        found: T = end.value
        return found
    finally:
        steps.close()
