"""Runs of one token in a draft, shown once: what a canvas is full of before it knows better.

`countcountcountcountcount` becomes `count…`. Only what is shown while a fill runs is folded; what
is put in never is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from engine.api import Span

MARK = "…"
# Five times or more, on one line; white space alone is an indentation.
_RUN = re.compile(r"(?P<unit>\S[^\n]{0,15}?)(?P=unit){4,}")


def folded(text: str, spans: Sequence[Span]) -> tuple[str, list[Span]]:
    """`text` with each run as its first token and a mark, and `spans` where they then lie: those of
    what is not shown are left out. Offsets are string indexes."""
    parts: list[str] = []
    cuts: list[tuple[int, int]] = []  # what is left out, in `text`
    done = 0
    for run in _RUN.finditer(text):
        first = run.end("unit")
        parts += [text[done:first], MARK]
        cuts.append((first, run.end()))
        done = run.end()
    if not cuts:
        return text, list(spans)

    def place(offset: int) -> int:
        moved = 0
        for start, end in cuts:
            if offset > start:
                moved += len(MARK) - (min(offset, end) - start)
                if offset < end:
                    moved -= len(MARK)
        return offset + moved

    moved = [replace(each, start=place(each.start), end=place(each.end)) for each in spans]
    return "".join([*parts, text[done:]]), [each for each in moved if each.start < each.end]
