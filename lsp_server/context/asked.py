"""What the sources of context know of a gap: a snapshot, made on the event loop, read off it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.api import Proposal, Shape, Snippet


@dataclass(frozen=True, slots=True)
class OpenText:
    """Another document that is open: its path or URI, language id and text, and where it was
    edited last (an offset, None for nowhere), when (seconds of any clock), and whether it lies in
    the same folder of the workspace."""

    path: str
    language: str
    text: str
    edited: int | None = None
    edited_at: float = 0.0
    is_near: bool = True


@dataclass(frozen=True, slots=True)
class Edited:
    """A place that was edited lately: its lines as they were and as they are."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A gap between `prefix` and `suffix` of a document. `path` is None for one that is no file;
    `open_texts` are the other documents that are open, `edits` the last edits, the newest last.
    `by_hand`: somebody has asked for a name to stand there, if it is one that must."""

    prefix: str
    suffix: str
    language: str
    path: str | None
    shape: Shape
    open_texts: tuple[OpenText, ...] = ()
    edits: tuple[Edited, ...] = ()
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the model may read, the farthest and most stable first, and what the workspace proposes
    for the gap, the likeliest first. `names` are those of which one must stand there; none where
    that is not known."""

    context: tuple[Snippet, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    names: tuple[str, ...] = ()
