"""The last edits anywhere in the window, as lines that were and lines that are."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from engine.api import Snippet
from lsp_server.context.asked import Asked, Edited
from lsp_server.difference import difference
from lsp_server.document import Document
from lsp_server.index.reader import Reader

MOST = 6
MOST_CHARACTERS = 300  # of what was, and of what is
NEAR = 8  # lines: an edit so near to the one before goes on with it
PAUSE = 60.0  # seconds after which it does not


def edits(asked: Asked, _: Reader | None = None) -> tuple[Snippet, ...]:
    """The oldest first, each as a difference."""
    return tuple(Snippet(_as_difference(each), each.path) for each in asked.edits)


def _as_difference(edited: Edited) -> str:
    gone = [f"-{line}" for line in edited.before.splitlines()]
    come = [f"+{line}" for line in edited.after.splitlines()]
    return "\n".join([*gone, *come])


@dataclass(slots=True)
class _Burst:
    """Changes near each other: the text before them and after, and the lines that changed last."""

    uri: str
    path: str
    before: str
    after: str
    line: int
    at: float


class Edits:
    """Watches documents, on the event loop. Kept in memory only, and gone with the document."""

    def __init__(self) -> None:
        self._done: deque[tuple[str, Edited]] = deque(maxlen=MOST)
        self._burst: _Burst | None = None

    def changed(self, old: Document, new: Document, at: float) -> None:
        """At the time `at`, in seconds of any clock."""
        line = _first_changed_line(old, new)
        burst = self._burst
        if (
            burst is not None
            and burst.uri == new.uri
            and abs(burst.line - line) <= NEAR
            and at - burst.at <= PAUSE
        ):
            burst.after, burst.line, burst.at = new.text, line, at
            return
        self._finish()
        self._burst = _Burst(new.uri, new.path or new.uri, old.text, new.text, line, at)

    def closed(self, uri: str) -> None:
        if self._burst is not None and self._burst.uri == uri:
            self._finish()

    def recent(self) -> tuple[Edited, ...]:
        """The oldest first; not what goes on right now, which stands around the cursor."""
        return tuple(edited for _, edited in self._done)

    def _finish(self) -> None:
        burst, self._burst = self._burst, None
        if burst is None:
            return
        edited = _edited(burst)
        if edited is not None:
            self._done.append((burst.uri, edited))


def _edited(burst: _Burst) -> Edited | None:
    """None for what came to nothing, and what is too much to be told."""
    if burst.before == burst.after:
        return None
    start, old_end, new_end = difference(burst.before, burst.after)
    before = _lines(burst.before, start, old_end)
    after = _lines(burst.after, start, new_end)
    if max(len(before), len(after)) > MOST_CHARACTERS or not (before + after).strip():
        return None
    return Edited(burst.path, before, after)


def _lines(text: str, start: int, end: int) -> str:
    """The whole lines that [start, end) touches."""
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end)
    return text[first : last if last >= 0 else len(text)]


def _first_changed_line(old: Document, new: Document) -> int:
    start, _, _ = difference(old.text, new.text)
    return new.text.count("\n", 0, start)
