"""Lines and blocks of the workspace that may stand in a gap, found in its index in milliseconds.

What follows a line like the one above elsewhere, what stands above a line like the one below, what
follows lines that differ from the one above in a name or two, with those names exchanged for the
ones here, and lines that begin as the cursor's line does. The document's own file is not looked
through: what stands there the engine finds itself, in the text that the editor has.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from engine.api import Proposal
from engine.fill.analogy import renamed
from lsp_server.index.database import START
from lsp_server.index.lines import id_of, is_kept, skeleton_of, unpack

MOST = 8
SHORTEST = 3  # characters of the line so far, or of one above or below, that must agree
MOST_ROWS = 1500  # that begin as the line does; more say that its beginning says nothing
MOST_NEXT = 60  # lines below, or above, of one line
MOST_ALIKE = 60  # lines like the one above but for names
MOST_BLOCK_LINES = 6
MOST_BRANCHES = 3  # lines that a block goes on with, after each of its lines
REACH = 200  # lines looked through for the nearest that has something on it
WORD = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Gap:
    """`head` is the line so far and `rest` what stands behind the cursor on it; `above` and `below`
    are the nearest lines with something on them, "" for none. None has white space at its ends,
    but `head` may end with some."""

    head: str
    rest: str
    above: str
    below: str

    @classmethod
    def of(cls, prefix: str, suffix: str) -> Gap:
        *above, head = _last(prefix)
        rest, *below = _first(suffix)
        return cls(
            head.lstrip(),
            rest.strip(),
            next((line.strip() for line in reversed(above) if line.strip()), ""),
            next((line.strip() for line in below if line.strip()), ""),
        )


@dataclass(slots=True)
class _Hit:
    text: str  # the whole line, stripped
    match: int
    files: int


class Lookup:
    """Reads an index. Of one thread at a time; may raise sqlite3.Error."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._own: tuple[str, bytes, set[int], set[tuple[int, int]]] | None = None

    def lines(self, prefix: str, suffix: str, own: str | None, words: set[str]) -> list[Proposal]:
        """Rests of the line at the end of `prefix`, the likeliest first, at most MOST.

        `own` is the document's path in the folder; `words` are those that its text has: lines
        whose words are known here come first.
        """
        gap = Gap.of(prefix, suffix)
        own_texts, own_pairs = self._owned(own)
        best: dict[str, _Hit] = {}
        for hit in self._hits(gap, own_texts, own_pairs):
            known = best.setdefault(hit.text, hit)
            known.match, known.files = max(known.match, hit.match), max(known.files, hit.files)
        found = [each for each in best.values() if each.text != gap.below]

        def order(hit: _Hit) -> tuple[float, int]:
            return hit.match - 4 * _unknown(hit.text[len(gap.head) :], words), hit.files

        found.sort(key=order, reverse=True)
        proposals = []
        for each in found:
            text = each.text[len(gap.head) :]
            if gap.rest:
                if not text.endswith(gap.rest):
                    continue
                text = text.removesuffix(gap.rest)
            if text.strip():
                proposals.append(Proposal(text, each.match, each.files))
            if len(proposals) == MOST:
                break
        return proposals

    def blocks(self, prefix: str, suffix: str, own: str | None) -> list[Proposal]:
        """Lines between the last line of `prefix`, on which nothing stands yet, and the next one in
        `suffix`: such as lead elsewhere from a line like the one above to one like the one below,
        indented as here; the likeliest first, at most MOST."""
        gap = Gap.of(prefix, suffix)
        if gap.head or gap.rest or not is_kept(gap.above) or not gap.below:
            return []
        _, own_pairs = self._owned(own)
        line_break = "\r\n" if "\r\n" in prefix[-2000:] else "\n"
        indent = _indent_of(next(line for line in reversed(_last(prefix)) if line.strip()))
        unit = "\t" if "\t" in indent or re.search(r"\n\t", prefix[-4000:]) else " "
        so_far = _last(prefix)[-1]
        goal, start = id_of(gap.below), id_of(gap.above)
        proposals = []
        for path, files in self._paths(start, goal, own_pairs):
            lines, now = [], indent
            for text, deeper in path:
                now = now[: max(0, len(now) + deeper)] if deeper < 0 else now + unit * deeper
                lines.append(now + text)
            match = len(gap.above) + len(gap.below)
            block = line_break.join(lines).removeprefix(so_far)
            proposals.append(Proposal(block, match, files))
        return sorted(proposals, key=lambda each: each.times, reverse=True)[:MOST]

    def _hits(
        self, gap: Gap, own_texts: set[int], own_pairs: set[tuple[int, int]]
    ) -> Iterator[_Hit]:
        above, below = id_of(gap.above), id_of(gap.below)
        has_above, has_below = len(gap.above) >= SHORTEST, len(gap.below) >= SHORTEST
        here = len(gap.head)
        if has_above and gap.above.strip("{}()[];,"):
            for id, text, files in self._next(above, own_pairs):
                if text.startswith(gap.head):
                    both = has_below and self._is_pair(id, below, own_pairs)
                    yield _Hit(text, here + len(gap.above) + both * len(gap.below), files)
            yield from self._renamed(gap, own_pairs)
        if has_below and gap.below.strip("{}()[];,"):
            for _, text, files in self._before(below, own_pairs):
                # Where the line above stands already, it is that one which leads there.
                if text.startswith(gap.head) and text != gap.above:
                    yield _Hit(text, here + len(gap.below), files)
        if here >= SHORTEST:
            for _, text, files in self._beginning(gap.head, own_texts):
                yield _Hit(text, here, files)

    def _next(self, above: int, own: set[tuple[int, int]]) -> Iterator[tuple[int, str, int]]:
        rows = self.connection.execute(
            "select below, text, pairs.files from pairs join texts on texts.id = below"
            f" where above = ? order by pairs.files desc limit {MOST_NEXT}",
            (above,),
        )
        for id, text, files in rows.fetchall():
            if files > ((above, id) in own):
                yield id, text, files - ((above, id) in own)

    def _before(self, below: int, own: set[tuple[int, int]]) -> Iterator[tuple[int, str, int]]:
        rows = self.connection.execute(
            "select above, text, pairs.files from pairs join texts on texts.id = above"
            f" where below = ? order by pairs.files desc limit {MOST_NEXT}",
            (below,),
        )
        for id, text, files in rows.fetchall():
            if files > ((id, below) in own):
                yield id, text, files - ((id, below) in own)

    def _renamed(self, gap: Gap, own: set[tuple[int, int]]) -> Iterator[_Hit]:
        """What follows lines like the one above, with names from here in the place of theirs."""
        if not is_kept(gap.above):
            return
        rows = self.connection.execute(
            f"select id, text from texts where skeleton = ? order by files desc limit {MOST_ALIKE}",
            (skeleton_of(gap.above),),
        )
        for id, theirs in rows.fetchall():
            if theirs == gap.above:
                continue
            for _, text, files in self._next(id, own):
                adapted = renamed(text, theirs, gap.above)
                if adapted is not None and adapted[0].startswith(gap.head):
                    yield _Hit(adapted[0], len(gap.head) + adapted[1], files)

    def _beginning(self, head: str, own: set[int]) -> list[tuple[int, str, int]]:
        start = head[:START]
        rows = self.connection.execute(
            "select id, text, files from texts"
            " where substr(text, 1, ?) >= ? and substr(text, 1, ?) < ? limit ?",
            (START, start, START, start + "\U0010ffff", MOST_ROWS + 1),
        ).fetchall()
        if len(rows) > MOST_ROWS:
            return []
        return [
            (id, text, files - (id in own))
            for id, text, files in rows
            if len(text) > len(head) and text.startswith(head) and files > (id in own)
        ]

    def _is_pair(self, above: int, below: int, own: set[tuple[int, int]]) -> bool:
        row = self.connection.execute(
            "select files from pairs where above = ? and below = ?", (above, below)
        ).fetchone()
        return row is not None and row[0] > ((above, below) in own)

    def _paths(
        self, start: int, goal: int, own: set[tuple[int, int]]
    ) -> Iterator[tuple[list[tuple[str, int]], int]]:
        """Ways from one line to another: texts and how much deeper each stands than the one before,
        and in how many files the rarest step is found."""
        live: list[tuple[int, list[tuple[str, int]], int]] = [(start, [], 1 << 30)]
        for _ in range(MOST_BLOCK_LINES):
            grown = []
            for last, path, rarest in live:
                rows = self.connection.execute(
                    "select below, text, deeper, pairs.files from pairs"
                    " left join texts on texts.id = below"
                    " where above = ? order by pairs.files desc limit 12",
                    (last,),
                ).fetchall()
                taken = 0
                for id, text, deeper, files in rows:
                    if files - ((last, id) in own) < 1:
                        continue
                    if id == goal:
                        if path:
                            yield path, min(rarest, files)
                    elif text is not None and taken < MOST_BRANCHES:
                        taken += 1
                        grown.append((id, [*path, (text, deeper)], min(rarest, files)))
            live = sorted(grown, key=lambda each: each[2], reverse=True)[:12]

    def _owned(self, own: str | None) -> tuple[set[int], set[tuple[int, int]]]:
        """The lines and pairs of the document's own file."""
        row = None
        if own is not None:
            row = self.connection.execute(
                "select lines from files where path = ?", (own,)
            ).fetchone()
        if own is None or row is None:
            return set(), set()
        if self._own is None or self._own[:2] != (own, row[0]):
            ids = unpack(row[0])
            self._own = own, row[0], set(ids), set(pairwise(ids))
        return self._own[2:]


def words_of(text: str) -> set[str]:
    return set(WORD.findall(text))


def _unknown(text: str, words: set[str]) -> int:
    return sum(word not in words for word in words_of(text))


def _last(prefix: str) -> Sequence[str]:
    return prefix[-20_000:].split("\n")[-REACH:]


def _first(suffix: str) -> Sequence[str]:
    return suffix[:20_000].split("\n")[:REACH]


def _indent_of(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def merged(proposals: Iterable[Proposal]) -> list[Proposal]:
    """Of several indexes: each text once, the likeliest first, at most MOST."""
    best: dict[str, Proposal] = {}
    for each in proposals:
        known = best.get(each.text)
        if known is None or known.match < each.match:
            best[each.text] = each
    return sorted(best.values(), key=lambda each: each.match, reverse=True)[:MOST]
