"""Drafts from the text itself: what followed the same words elsewhere in the file.

Code repeats itself, and a small model is poor at copying. Lines that begin as the cursor's line
does, lines that follow a line like the one above, the longest earlier occurrences of the last few
characters, and lines with another word in place of one are looked up; the model then ranks them
against its own fills.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise, takewhile

from engine.api import Proposal
from engine.fill.analogy import MOST_LINES, lines_after, rests_alike

MOST = 8
MOST_ANALOGIES = 6
MOST_BLOCK_LINES = 12
MOST_LINES_ALIKE = 8  # above a block; more say no more
SHORTEST_MATCH = 3  # characters of the line so far that must agree
SHORTEST_REPEAT = 4  # characters: "}" or "end" may well stand there twice
REACH = 60_000  # characters looked through on either side
WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Found:
    """A draft for the rest of a line, how many characters before it agreed, and how often it was
    found: 0 times where it was only proposed. `proposal` is the caller's, if it made the same."""

    text: str
    match: int
    times: int = 1
    proposal: Proposal | None = None


def look_up(prefix: str, suffix: str, elsewhere: Sequence[str] = ()) -> list[Found]:
    """Drafts for the line at the end of `prefix`, longest match first, at most MOST.

    `elsewhere` are other texts, such as open files. Neither what stands behind the cursor on its
    own line is given twice, nor the line below it.
    """
    before, after = prefix[-REACH:], suffix[:REACH]
    *above, so_far = before.split("\n")
    rest, *below = after.split("\n")
    head = so_far.lstrip()
    lines = [*above, *below, *(line for text in elsewhere for line in text[:REACH].split("\n"))]
    found = list(_after_same_start(lines, head)) if head else list(_after_same_line(lines, above))
    found += _after_same_end(lines, head)
    found += _by_analogy(above, below, head)
    cut = (replace(each, text=_without_rest(each.text.rstrip(), rest)) for each in found)
    return _best(each for each in cut if each.text and not repeats_below(head + each.text, suffix))


def look_up_block(prefix: str, suffix: str, elsewhere: Sequence[str] = ()) -> list[Found]:
    """Drafts for the lines between `prefix`, which ends with a line that is still empty, and
    `suffix`: what stands elsewhere between a line like the last one above and one like the next one
    below, indented as here; longest match first, at most MOST.
    """
    *above, so_far = prefix[-REACH:].split("\n")
    rest, *below = suffix[:REACH].split("\n")
    known = [line for line in above if line.strip()]
    following = next((line.strip() for line in below if line.strip()), "")
    if so_far.strip() or rest.strip() or not known or not following:
        return []
    line_break = "\r\n" if above[-1].endswith("\r") else "\n"
    found: list[Found] = []
    for lines in (above, below, *(text[:REACH].split("\n") for text in elsewhere)):
        solid = [line.rstrip() for line in lines if line.strip()]
        for match, between in _between_the_same(solid, known, following):
            text = line_break.join(_indented_as(known[-1], *between)).removeprefix(so_far)
            found.append(Found(text, match))
    return _best(found)


def _best(found: Iterable[Found]) -> list[Found]:
    """Each text once, with its longest match and how often it was found, longest match first, at
    most MOST."""
    best: dict[str, Found] = {}
    for each in found:
        known = best.get(each.text, Found(each.text, 0, 0))
        best[each.text] = Found(each.text, max(each.match, known.match), known.times + 1)
    return sorted(best.values(), key=lambda each: each.match, reverse=True)[:MOST]


def _between_the_same(
    lines: Sequence[str], known: Sequence[str], following: str
) -> Iterator[tuple[int, tuple[str, list[str]]]]:
    """The characters that agree above; the line that agrees, and those from it to `following`."""
    last = known[-1].strip()
    for at, line in enumerate(lines):
        if line.strip() != last:
            continue
        ahead = range(at + 1, min(at + 2 + MOST_BLOCK_LINES, len(lines)))
        end = next((to for to in ahead if lines[to].strip() == following), None)
        if end is None or end == at + 1:
            continue
        near = slice(max(0, at + 1 - MOST_LINES_ALIKE), at + 1)
        pairs = zip(reversed(lines[near]), reversed(known), strict=False)
        alike = takewhile(lambda pair: pair[0].strip() == pair[1].strip(), pairs)
        yield sum(len(one.strip()) for one, _ in alike), (line, list(lines[at + 1 : end]))


def _indented_as(ours: str, theirs: str, lines: Sequence[str]) -> Iterator[str]:
    """`lines`, which stand under `theirs`, as they would stand under `ours`."""
    old, new = (line[: len(line) - len(line.lstrip())] for line in (theirs, ours))
    for line in lines:
        yield new + line.removeprefix(old) if line.startswith(old) else line


def repeats_below(line: str, suffix: str) -> bool:
    """Whether `line` is the next one in `suffix` with something on it, and no mere bracket."""
    below = suffix[:REACH].split("\n")[1:]
    following = next((text.strip() for text in below if text.strip()), "")
    return len(following) >= SHORTEST_REPEAT and line.strip() == following


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


def _by_analogy(above: Sequence[str], below: Sequence[str], head: str) -> Iterator[Found]:
    near = [line.strip() for line in (*reversed(above[-MOST_LINES:]), *below[:MOST_LINES])]
    if head:
        found = rests_alike(head, near)
    else:
        last = next((line.strip() for line in reversed(above) if line.strip()), "")
        in_order = [line.strip() for line in (*above[-MOST_LINES // 2 :], *below[:MOST_LINES])]
        found = lines_after(last, in_order)
    for text, agreed in islice(found, MOST_ANALOGIES):
        if agreed >= SHORTEST_MATCH:
            yield Found(text, agreed)


def _without_rest(text: str, rest: str) -> str:
    """`text` without an end that already stands behind the cursor."""
    rest = rest.strip()
    return text.removesuffix(rest) if rest else text
