"""How well a fill fits between what stands before it and after it: brackets and indentation.

The engine has no grammars; but whether the brackets of a text match, and whether a line that opens
a block is followed by one, says much of whether it will parse.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.fill.brackets import PAIRS, Balance, balance

LINE_BREAK = re.compile(r"\r\n|[\r\n]")
WINDOW = 8000  # characters on each side of the gap's lines
_TAB = 8
# What a line ends with that opens a block, and what goes on in the next one in some other way.
_OPENS = re.compile(r"(?:[:({\[]|=>|->|\b(?:then|do|else|repeat|begin))\s*$")
_GOES_ON = re.compile(r"(?:[,=+\-*/%&|<>.?\\]|\b(?:and|or|not|in|is|return))\s*$")
_CONTINUES = re.compile(r"\s*(?:[.?:&|+*/=<>)\]}]|-|else\b|end\b|and\b|or\b)")


@dataclass(frozen=True, slots=True)
class Faults:
    """`surplus`: brackets that the fill's lines close and did not open. `unmatched`: brackets of
    the whole, as far as it is known, that have no partner. `unopened`: what follows is indented
    deeper than the last line, which opens nothing. `unfilled`: the last line opens a block, and
    what follows is no deeper."""

    surplus: int = 0
    unmatched: int = 0
    unopened: bool = False
    unfilled: bool = False

    @property
    def count(self) -> int:
        """Of what a parser would not have."""
        return self.unmatched + self.unopened + self.unfilled


class Surroundings:
    """What stands around a request's holes; made once, asked of each candidate."""

    def __init__(self, texts: Sequence[str], language: str = "") -> None:
        """`texts` are those before, between and after the holes."""
        prefix, *self._between, suffix = texts
        self._language = language
        start = max(prefix.rfind("\n"), prefix.rfind("\r")) + 1
        start = max(start, len(prefix) - WINDOW)
        first = max(0, start - WINDOW)
        known = suffix[: 2 * WINDOW]
        rest, below = _cut_line(known)
        self._head, self._rest = prefix[start:], rest[:WINDOW]
        self._whole_before, self._whole_below = first == 0, len(suffix) == len(known)
        self._opened = balance(prefix[first:start], language).opened
        self._closers = tuple(closer for _, closer in balance(below, language).closers)
        self._next = next((line for line in LINE_BREAK.split(below) if line.strip()), None)

    def faults(self, fills: Sequence[str]) -> Faults:
        """Of the text with one of `fills` in each hole."""
        lines = self._head + woven(fills, self._between) + self._rest
        inside = balance(lines, self._language)
        left, unmatched = self._matched(inside)
        # Braces are blocks, but in Python: inside of any bracket there indentation says nothing.
        is_inside = bool(left) and (left[-1] in "([" or self._language == "python")
        unopened, unfilled = self._judged(LINE_BREAK.split(lines)[-1], is_inside)
        return Faults(len(inside.closers), unmatched, unopened, unfilled)

    def _matched(self, inside: Balance) -> tuple[list[str], int]:
        """The brackets open below the fill, and how many of the whole have no partner."""
        opened = list(self._opened)
        unmatched = _close(opened, [c for _, c in inside.closers], self._whole_before)
        opened += inside.opened
        below = opened.copy()
        unmatched += _close(opened, self._closers, self._whole_before)
        return below, unmatched + (len(opened) if self._whole_below else 0)

    def _judged(self, last: str, is_inside: bool) -> tuple[bool, bool]:
        """Whether what is below is unopened, or the block that `last` opens unfilled."""
        if self._next is None or not last.strip():
            return False, False
        deeper = width(self._next) > width(last)
        opens = _OPENS.search(last) is not None
        if deeper:
            is_explained = (
                is_inside or opens or _GOES_ON.search(last) or _CONTINUES.match(self._next)
            )
            return not is_explained, False
        is_block = last.rstrip().endswith(":") if self._language == "python" else opens
        return False, is_block and not _CONTINUES.match(self._next)


def woven(fills: Sequence[str], between: Sequence[str]) -> str:
    """Everything from the start of the first to the end of the last of `fills`, which stand around
    `between`."""
    pairs = zip(between, fills[1:], strict=True)
    return fills[0] + "".join(text for pair in pairs for text in pair)


def width(line: str) -> int:
    """Columns that `line` is indented by."""
    return len(line[: len(line) - len(line.lstrip(" \t"))].expandtabs(_TAB))


def _close(opened: list[str], closers: Sequence[str], is_whole: bool) -> int:
    """Take from `opened` what `closers` close; how many brackets were left without a partner."""
    unmatched = 0
    for closer in closers:
        if PAIRS[closer] in opened:
            while opened.pop() != PAIRS[closer]:
                unmatched += 1
        elif opened or is_whole:
            unmatched += 1
    return unmatched


def _cut_line(text: str) -> tuple[str, str]:
    """The first line, and what is below it."""
    found = LINE_BREAK.search(text)
    return (text, "") if found is None else (text[: found.start()], text[found.end() :])
