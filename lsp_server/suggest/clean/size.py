"""How much is worth showing."""

from __future__ import annotations

import re

from engine.api import Shape
from lsp_server.suggest.clean.around import Around

LEAST = 2
_LONE_CLOSER = re.compile(r"[)\]}]+[;,]?|end|fi|done|esac")


def keep_one_line(text: str, around: Around) -> str:
    """A line-shaped gap holds one line; before a closer alone it holds lines that end there."""
    if around.shape is not Shape.LINE:
        return text
    first, newline, more = text.partition("\n")
    if not newline or not _are_lines_of_their_own(first, around):
        return first
    end, rest = more[more.rfind("\n") + 1 :], around.line_after.strip()
    if not end.strip():
        return text
    return text[: len(text) - len(end.lstrip())] if end.strip() == rest else first


def _are_lines_of_their_own(first: str, around: Around) -> bool:
    """Whether the rest of the line only closes, and the fill begins on a line of its own."""
    rest = around.line_after.strip()
    begins = not around.line_before.strip() or not first.strip()
    return begins and bool(rest) and _LONE_CLOSER.fullmatch(rest) is not None


def keep_few_lines(text: str, around: Around) -> str:
    """What nobody has requested stays short, and ends at the first blank line after its first."""
    if not around.automatic or "\n" not in text:
        return text
    lines = text.split("\n")
    held = [number for number, line in enumerate(lines) if line.strip()]
    if not held:
        return text
    first, last = held[0], held[-1]
    end = next((n for n in range(first + 1, last) if not lines[n].strip()), len(lines))
    if around.max_lines is not None and last - first >= around.max_lines:
        end = min(end, first + around.max_lines)
    return "\n".join(lines[:end])


def drop_too_short(text: str, around: Around) -> str:
    """One character is sooner typed than read."""
    return "" if around.automatic and len(text.strip()) < LEAST else text


def drop_blank(text: str, around: Around) -> str:
    return text if text.strip() else ""
