"""A gap whose text is known: what every suite is made of. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["rest of line", "whole line", "block"]


class BadData(ValueError):
    """The data are not what the suite needs; the message names file, line and fix."""


@dataclass(frozen=True, slots=True)
class Item:
    """A gap between `prefix` and `suffix`, and what stood there. `test` and `entry_point` decide
    whether the whole runs right; "" where only the text can be compared. `beside`: of a pair, the
    characters [start, end) of prefix, solution and suffix where the other gap is. `path` is that of
    the file in a suite of repositories."""

    id: str
    prefix: str
    suffix: str
    solution: str
    language: str
    block: bool
    test: str = ""
    entry_point: str = ""
    beside: tuple[int, int] | None = None
    path: str = ""

    @property
    def bare(self) -> bool:
        """The solution has no letter or digit: brackets alone, which anything can guess."""
        return not any(character.isalnum() for character in self.solution)

    @property
    def kind(self) -> Kind:
        if self.block:
            return "block"
        before = self.prefix.rpartition("\n")[2]
        return "rest of line" if before.strip() else "whole line"

    @property
    def starts_inside_word(self) -> bool:
        before, after = self.prefix[-1:], self.solution[:1]
        return all(end.isalnum() or end == "_" for end in (before, after))


def within_lines(prefix: str, solution: str, suffix: str) -> tuple[str, str]:
    """Solution and suffix, with the last line break of a gap of whole lines in the suffix: as in an
    editor, where a fill of a line never brings one."""
    is_whole = prefix[-1:] in ("", "\n") and solution.endswith("\n")
    return (solution[:-1], "\n" + suffix) if is_whole else (solution, suffix)
