"""How near a fill is to what stood there, and what it does to the file. Imports no torch."""

from __future__ import annotations

import ast
from collections.abc import Callable

from engine.evaluation.items import Item

Parses = Callable[[str, str], bool | None]  # (language id, text); None where it cannot tell

SHORT = 4  # characters: a shorter line ("}", "end") may well stand there twice


def is_exact(item: Item, text: str) -> bool:
    """Equal but for white space at the ends of the gap."""
    return text.strip() == item.solution.strip()


def similarity(found: str, wanted: str) -> float:
    """1 - edit distance over the longer length; 1 for two empty texts."""
    if found == wanted:
        return 1.0
    row = list(range(len(wanted) + 1))
    for index, one in enumerate(found, 1):
        diagonal, row[0] = row[0], index
        for at, other in enumerate(wanted, 1):
            diagonal, row[at] = row[at], min(
                row[at] + 1, row[at - 1] + 1, diagonal + (one != other)
            )  # fmt: skip
    return 1 - row[-1] / max(len(found), len(wanted))


def repeats_suffix(text: str, suffix: str) -> bool:
    """Whether the fill repeats what follows it: its first line with something on it."""
    following = next((line.strip() for line in suffix.splitlines() if line.strip()), "")
    return len(following) >= SHORT and following in {line.strip() for line in text.splitlines()}


def is_grammatical(language: str, text: str, parser: Parses | None = None) -> bool | None:
    """Python by its own parser, any other language by `parser`; None where nobody can tell."""
    if language == "python":
        return _is_python(text)
    return parser(language, text) if parser is not None else None


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
