"""What a filter may look at."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from engine.api import Shape

# A line that only closes, or has a single word, may well be there twice.
CLOSER = re.compile(r"\W*(end|fi|done|esac)?\W*")
REPEATABLE = re.compile(
    r"\W*(end|fi|done|esac|else|return|break|continue|pass|then|do|try|finally|begin)?\W*"
    r"|</[\w.:-]+>"
)


@dataclass(frozen=True, slots=True)
class Around:
    """The text on both sides of the gap, its shape, and who has asked for the fill.

    `replaced` is what the gap holds now. With `may_overwrite` the fill may repeat closers that
    stand right after the gap: they are replaced. `automatic` is a fill nobody has asked for, of at
    most `max_lines` lines. With `doubtful` a repetition counts that may be chance: a parser
    compares what that leaves.
    """

    prefix: str
    suffix: str
    shape: Shape
    language: str = ""
    replaced: str = ""
    path: str | None = None
    may_overwrite: bool = False
    automatic: bool = False
    max_lines: int | None = None
    doubtful: bool = False

    @property
    def line_before(self) -> str:
        return self.prefix[self.prefix.rfind("\n") + 1 :]

    @property
    def line_after(self) -> str:
        return self.suffix.partition("\n")[0]

    @property
    def lines_below(self) -> list[str]:
        """The lines that hold something, after the line of the gap, right-trimmed."""
        return lines_that_hold(self.suffix.partition("\n")[2])

    @property
    def line_above(self) -> str:
        """The last line that holds something, before the line of the gap."""
        above, newline, _ = self.prefix.rpartition("\n")
        lines = above.rstrip() if newline else ""
        return lines[lines.rfind("\n") + 1 :]


Filter = Callable[[str, Around], str]


def lines_that_hold(text: str) -> list[str]:
    return [line.rstrip() for line in text.split("\n") if line.strip()]
