"""How much is worth showing."""

from __future__ import annotations

from engine.api import Shape
from lsp_server.suggest.clean.around import Around

LEAST = 2


def keep_one_line(text: str, around: Around) -> str:
    """A line-shaped gap holds one line."""
    return text.partition("\n")[0] if around.shape is Shape.LINE else text


def keep_few_lines(text: str, around: Around) -> str:
    """What nobody has asked for stays short, and ends at the first blank line after its first."""
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
