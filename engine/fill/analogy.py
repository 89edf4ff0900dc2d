"""Drafts by analogy: a line as it stands elsewhere, with other words in place of some of its own.

`self.width = width` suggests how `self.height = ` goes on, and the line after
`width = int(args.width)` what comes after `height = int(args.height)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

PIECE = re.compile(r"\w+|\s+|[^\w\s]")
MOST_LINES = 400  # looked through, the nearest first
MOST_CHANGES = 2  # different words that are put in place of others, in whole lines
LONGEST_LINE = 200  # characters


def rests_alike(head: str, lines: Iterable[str]) -> Iterator[tuple[str, int]]:
    """How `head` goes on if it does as one of `lines`, but for one word; and the characters in
    which the two agree. The lines come without indentation, nearest first."""
    start = PIECE.findall(head[:LONGEST_LINE])
    if not start or len(head) > LONGEST_LINE:
        return
    for line in _few(lines):
        other = PIECE.findall(line)
        changes = _changes(other[: len(start) - 1], start[:-1])
        if changes is None or len(changes) > 1 or len(other) < len(start):
            continue
        last, ours = other[len(start) - 1], start[-1]
        if not changes and _are_words(last, ours) and not last.startswith(ours):
            changes = {last: ours}  # not one that is still being typed
        rest = "".join(changes.get(piece, piece) for piece in other)
        if changes and rest.startswith(head) and len(rest) > len(head):
            agreed = sum(len(a) for a, b in zip(other, start, strict=False) if a == b)
            yield rest[len(head) :], agreed


def lines_after(above: str, lines: Sequence[str]) -> Iterator[tuple[str, int]]:
    """What follows lines like `above` but for a few words, with the same words changed; and the
    characters in which the two agree. The lines come without indentation, in their order."""
    start = PIECE.findall(above[:LONGEST_LINE])
    for line, following in pairwise(_few(lines)):
        found = _exchange(PIECE.findall(line), start)
        if found is not None and found[0]:
            yield _exchanged(following, found[0]), found[1]


def renamed(text: str, theirs: str, ours: str) -> tuple[str, int] | None:
    """`text`, which belongs to the line `theirs`, as it would be with the line `ours`: with the
    words of ours in the place of those of theirs; and the characters in which the two lines agree.
    None where they differ in more than MOST_CHANGES words, or in anything but words."""
    if max(len(theirs), len(ours)) > LONGEST_LINE:
        return None
    found = _exchange(PIECE.findall(theirs), PIECE.findall(ours))
    return None if found is None else (_exchanged(text, found[0]), found[1])


def _exchange(theirs: Sequence[str], ours: Sequence[str]) -> tuple[dict[str, str], int] | None:
    """The words that differ between the pieces of two lines, and the characters that agree."""
    changes = _changes(theirs, ours) if len(theirs) == len(ours) else None
    if changes is None or len(changes) > MOST_CHANGES:
        return None
    return changes, sum(len(a) for a, b in zip(theirs, ours, strict=True) if a == b)


def _exchanged(text: str, changes: Mapping[str, str]) -> str:
    return "".join(changes.get(piece, piece) for piece in PIECE.findall(text))


def _changes(theirs: Sequence[str], ours: Sequence[str]) -> dict[str, str] | None:
    """Which words must be put in place of which to make one text of the other; None if words in
    place of words will not do."""
    changes: dict[str, str] = {}
    for one, other in zip(theirs, ours, strict=False):
        if one == other and one not in changes:
            continue
        if not _are_words(one, other) or changes.setdefault(one, other) != other:
            return None
    return changes


def _are_words(*pieces: str) -> bool:
    return all(piece.isidentifier() for piece in pieces)


def _few(lines: Iterable[str]) -> list[str]:
    found = []
    for line in lines:
        if line and len(line) <= LONGEST_LINE:
            found.append(line)
        if len(found) == MOST_LINES:
            break
    return found
