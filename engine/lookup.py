"""Drafts from the text itself: what followed the same words elsewhere in the file.

Code repeats itself, and a small model is poor at copying. Lines that begin as the cursor's line
does, lines that follow a line like the one above, and the longest earlier occurrences of the last
few characters are looked up; the model then ranks them against its own fills.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

MOST = 4
SHORTEST_MATCH = 3  # characters of the line so far that must agree
REACH = 60_000  # characters looked through on either side
WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Found:
    """A draft for the rest of a line, and how many characters before it agreed."""

    text: str
    match: int


def look_up(prefix: str, suffix: str, elsewhere: Sequence[str] = ()) -> list[Found]:
    """Drafts for the line at the end of `prefix`, longest match first, at most MOST.

    `elsewhere` are other texts, such as open files. What stands behind the cursor on its own line
    is not given twice.
    """
    before, after = prefix[-REACH:], suffix[:REACH]
    *above, so_far = before.split("\n")
    rest, *below = after.split("\n")
    head = so_far.lstrip()
    lines = [*above, *below, *(line for text in elsewhere for line in text[:REACH].split("\n"))]
    found = list(_after_same_start(lines, head)) if head else list(_after_same_line(lines, above))
    found += _after_same_end(lines, head)
    best: dict[str, int] = {}
    for each in found:
        text = _without_rest(each.text.rstrip(), rest)
        if text:
            best[text] = max(each.match, best.get(text, 0))
    ranked = sorted(best.items(), key=lambda item: item[1], reverse=True)
    return [Found(text, match) for text, match in ranked[:MOST]]


def _after_same_start(lines: Iterable[str], head: str) -> Iterator[Found]:
    """What follows `head` in the lines that begin with it; the nearest are not preferred."""
    if len(head) < SHORTEST_MATCH:
        return
    for line in lines:
        stripped = line.strip()
        if stripped.startswith(head) and len(stripped) > len(head):
            yield Found(stripped[len(head) :], len(head) + 1)


def _after_same_line(lines: Sequence[str], above: Sequence[str]) -> Iterator[Found]:
    """On a line that is still empty: the lines that follow one like the last line with text."""
    last = next((line.strip() for line in reversed(above) if line.strip()), "")
    if len(last) < SHORTEST_MATCH:
        return
    solid = [line.strip() for line in lines if line.strip()]
    for line, following in pairwise(solid):
        if line == last:
            yield Found(following, len(last))


def _after_same_end(lines: Iterable[str], head: str) -> Iterator[Found]:
    """What follows the longest end of `head` that stands in another line: the rest of that line,
    and the rest of the word the cursor is in."""
    kept = list(lines)
    for length in range(min(len(head), 40), SHORTEST_MATCH - 1, -1):
        end = head[-length:]
        hits = [line[at + length :] for line in kept if (at := line.find(end)) >= 0]
        if hits:
            for hit in hits[:MOST]:
                yield Found(hit, length)
                word = WORD.match(hit) if end[-1].isalnum() or end[-1] == "_" else None
                if word:
                    yield Found(word.group(), length)
            return


def _without_rest(text: str, rest: str) -> str:
    """`text` without an end that already stands behind the cursor."""
    rest = rest.strip()
    return text.removesuffix(rest) if rest else text
