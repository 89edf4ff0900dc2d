"""Where a hole is full: a line ends at its end, a block where indentation says."""

from __future__ import annotations

import re

from engine.api import FillRequest, Shape

TAB = 8  # columns
CLOSER = re.compile(r"\s*(?:[)\]}]|end\b)")
OPENERS = ("(", "[", "{")


def stop_sequences(request: FillRequest) -> list[str]:
    """What a server is to stop at. Where a block ends, only `end_of_hole` can say."""
    return ["\n"] if request.shape is Shape.LINE else []


def end_of_hole(text: str, request: FillRequest) -> int | None:
    """Where in `text`, the beginning of a fill, its hole is full; None as long as it may go on."""
    if request.shape is Shape.LINE:
        end = text.find("\n")
        return None if end < 0 else len(text[:end].removesuffix("\r"))
    if request.shape is Shape.BLOCK:
        return _end_of_block(text, *request.texts)
    return None


def without_cut_line(text: str) -> str:
    """A block that ran into the limit of tokens, without its last line, which may be cut off."""
    whole, _, _ = text.rpartition("\n")
    return whole if whole.strip() else text


def _end_of_block(text: str, prefix: str, suffix: str) -> int | None:
    """A block that hangs on the cursor's line (`def f():`, `foo(`) is deeper than it, and a closer
    at that line's own column belongs to it. One that begins at a blank line has that line's column
    at least; at the left margin, where nothing is less deep, it ends at a blank line."""
    line = prefix.rpartition("\n")[2]
    hangs, margin = bool(line.strip()), _column(line)
    next_line = suffix.lstrip().partition("\n")[0].strip()
    end = start = text.find("\n") + 1
    if not start:
        return None
    filled = len(text[:start].rstrip()) if text[:start].strip() else None
    after_blank = False
    while start < len(text):
        stop = text.find("\n", start)
        is_whole = stop >= 0
        stop = stop if is_whole else len(text)
        written = text[start:stop]
        if not written.strip():
            after_blank = True
            start = stop + 1
            continue
        column = _column(written)
        # A line that is still being written may become a closer.
        closes = bool(CLOSER.match(written)) or (not is_whole and "end".startswith(written.strip()))
        if not (column > margin if hangs else column >= margin):
            if not (hangs and closes and column == margin):
                return filled if filled is not None else len(text[:start].rstrip())
            if not is_whole:
                return None
            if written.strip() == next_line:
                return filled if filled is not None else end
            if not written.rstrip().endswith(OPENERS):
                return len(text[:stop].rstrip())
        elif not hangs and margin == 0 and column == 0 and after_blank and not closes:
            return filled if filled is not None else len(text[:start].rstrip())
        filled, after_blank = len(text[:stop].rstrip()), False
        start = stop + 1
    return None


def _column(line: str) -> int:
    indentation = line[: len(line) - len(line.lstrip())].expandtabs(TAB)
    return len(indentation)
