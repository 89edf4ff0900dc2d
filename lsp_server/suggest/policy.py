"""When to ask the model, and what of its answers to show. Restraint beats recall.

Every function gives the reason for silence, which is logged, or None. What the user asks for by
hand passes every gate but the one around secrets; what would break what it touches has been left
out before (`choose.best_by_hand`).
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from lsp_server import languages
from lsp_server.document import Document
from lsp_server.gap import Gap
from lsp_server.secrets import withheld_because
from lsp_server.settings import Settings
from lsp_server.suggest.history import Edit
from lsp_server.syntax.place import Place

# Closers, then at most one mark: what an editor has closed by itself, and the end of a statement.
REST_OF_LINE = re.compile(r"\s*+[)>}\]\"'`]*+\s*+[:{;,]?+\s*+(?:</[\w.:-]*+>\s*+)?+")


class Trigger(StrEnum):
    AUTOMATIC = "automatic"
    INVOKED = "invoked"
    AFTER_ACCEPT = "after accept"


def silent_because(
    document: Document, offset: int, trigger: Trigger, settings: Settings, edit: Edit | None
) -> str | None:
    """Before anything is computed. `edit` is the last one of the document."""
    if (secret := withheld_because(document.uri)) is not None:
        return secret
    if trigger is Trigger.INVOKED:
        return None
    if settings.trigger == "manual":
        return "infill.trigger is manual"
    languages = settings.languages
    if not languages.get(document.language, languages.get("*", True)):
        return f"infill.languages is off for {document.language}"
    if len(document.text) > 1000 * settings.largest_file:
        return "the file is larger than infill.largestFile"
    if edit is not None and edit.is_undo:
        return "the last edit was an undo or a redo"
    if edit is not None and edit.is_deletion:
        return "the last edit was a deletion"
    _, end = document.line_bounds(document.line_at(offset))
    if not REST_OF_LINE.fullmatch(document.text, offset, max(offset, end)):
        return "more than closers stands after the cursor"
    return None


def silent_at(gap: Gap, trigger: Trigger, settings: Settings) -> str | None:
    """Once the syntax is known, and before the model is asked."""
    if trigger is Trigger.INVOKED:
        return None
    if gap.place is Place.COMMENT and not settings.in_comments:
        return "infill.inComments is off"
    is_data = languages.of(gap.document.language).has_data_strings
    if gap.place is Place.STRING and not settings.in_strings and not is_data:
        return "infill.inStrings is off"
    return None


@dataclass(frozen=True, slots=True)
class Quiet:
    """Why nothing is shown; `confidence` and `needed` where the first is under the second."""

    reason: str
    confidence: float | None = None
    needed: float | None = None


def hidden_because(
    confidence: float, breaks: bool, trigger: Trigger, settings: Settings, outcomes: Outcomes
) -> Quiet | None:
    """Once there is a fill."""
    if trigger is Trigger.INVOKED:
        return None
    if breaks:
        return Quiet("the file would have more syntax errors")
    needed = outcomes.needed(settings.min_confidence)
    if confidence < needed:
        reason = f"its confidence {confidence:.2f} is under {needed:.2f}"
        return Quiet(reason, confidence, needed)
    return None


class Outcomes:
    """The last suggestions that were taken or turned down. Several rejections in a row raise the
    bar, until something is taken; more taken than turned down lowers it."""

    REMEMBERED = 10
    SEVERAL = 3
    STEP = 1.15

    def __init__(self) -> None:
        self._taken: deque[bool] = deque(maxlen=self.REMEMBERED)

    def add(self, taken: bool) -> None:
        self._taken.append(taken)

    def needed(self, confidence: float) -> float:
        """`confidence`, as the last outcomes change it: at least half of it, at most three times as
        much, and never over 1."""
        rejections = 0
        for taken in reversed(self._taken):
            if taken:
                break
            rejections += 1
        surplus = 2 * sum(self._taken) - len(self._taken)
        steps = max(0, rejections - self.SEVERAL + 1) or min(0, -surplus)
        return min(1.0, max(confidence / 2, confidence * self.STEP**steps))


class Pace:
    """How fast the user types and the engine answers: how long to wait for the next key.

    The wait is a multiple of the typing interval, less what the answer takes anyway, less what has
    passed since the last key.
    """

    LONGEST = 1.0
    INTERVALS = (0.05, 0.4)
    PAUSE = 1.5  # no interval between keys

    def __init__(self) -> None:
        self._intervals: deque[float] = deque(maxlen=20)
        self._answers: deque[float] = deque(maxlen=10)
        self._last_key: float | None = None

    def typed(self, at: float) -> None:
        if self._last_key is not None and at - self._last_key < self.PAUSE:
            self._intervals.append(at - self._last_key)
        self._last_key = at

    def answered(self, seconds: float) -> None:
        self._answers.append(seconds)

    def wait(self, now: float, is_boundary: bool, least: float = 0.0) -> float:
        """Seconds. At a boundary (after a mark, at a line's end) a pause is likelier. `least` is
        the user's own wish."""
        low, high = self.INTERVALS
        typical = _mean(self._intervals, default=0.1)
        rate = 1.5 if is_boundary else 2.5
        wanted = rate * min(high, max(low, typical)) - _mean(self._answers, default=0.0)
        wanted = max(least, min(self.LONGEST, wanted))
        passed = now - self._last_key if self._last_key is not None else 0.0
        return max(0.0, wanted - passed)


def _mean(values: deque[float], default: float) -> float:
    return sum(values) / len(values) if values else default
