"""How the imported names that are used near the gap are defined elsewhere in the workspace."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from engine.api import Snippet
from lsp_server.context.asked import Asked
from lsp_server.context.imports import imported
from lsp_server.index.lookup import WORD
from lsp_server.index.reader import Reader
from lsp_server.index.symbols import Defined

MOST = 4  # definitions
MOST_CHARACTERS = 500  # of one
MOST_LINES = 12
ABOVE, BELOW = 30, 15  # lines around the gap in which a name is used
MOST_SAME = 12  # symbols of one name that are looked at
_USE = re.compile(r"\b([^\W\d]\w*)(?:(?:\.|::)([^\W\d]\w*))?")
START = 20_000  # characters of a file in which its imports stand


def definitions(asked: Asked, reader: Reader | None) -> tuple[Snippet, ...]:
    """In the order of their files, so that they stay where they are while the user types."""
    if reader is None:
        return ()
    names = imported((asked.prefix + asked.suffix)[:START], asked.language)
    own = reader.inside(asked.path)
    chosen: dict[tuple[str, int], Snippet] = {}
    for name, words in _used(asked, names).items():
        place = _likeliest(reader.defined([name], MOST_SAME), name, words, own)
        text = _read(reader, place) if place is not None else None
        if place is not None and text is not None:
            chosen[place.path, place.symbol.line] = Snippet(text, str(reader.root / place.path))
        if len(chosen) == MOST:
            break
    return tuple(chosen[place] for place in sorted(chosen))


def _used(asked: Asked, names: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """The imported names around the gap, and those that follow an imported one and a dot, each with
    the words of its import statement; those of the nearest lines first."""
    above = asked.prefix[-8000:].split("\n")[-ABOVE:]
    below = asked.suffix[:4000].split("\n")[:BELOW]
    used: dict[str, frozenset[str]] = {}
    for found in _USE.finditer("\n".join([*reversed(above), *below])):
        first, member = found.groups()
        if first in names:
            used.setdefault(member or first, names[first])
            used.setdefault(first, names[first])
    return used


def _likeliest(
    places: Sequence[Defined], name: str, words: frozenset[str], own: str | None
) -> Defined | None:
    """The one whose path has most words of the import statement; None where none has any. A folder
    called as the symbol says nothing of it, but a file does."""

    def agreement(place: Defined) -> int:
        if place.path == own:
            return 0
        path = frozenset(WORD.findall(place.path))
        return len((words & path) - {name}) + (PurePosixPath(place.path).stem == name)

    best = max(places, key=agreement, default=None)
    return best if best is not None and agreement(best) else None


def _read(reader: Reader, defined: Defined) -> str | None:
    """The head of a definition and what follows it; None where the file has changed since."""
    text, symbol = reader.text(defined.path), defined.symbol
    if text is None:
        return None
    lines = text.splitlines()
    if symbol.line >= len(lines) or symbol.name not in "\n".join(
        lines[symbol.line : symbol.body + 1]
    ):
        return None
    last = min(symbol.end + 1, symbol.line + MOST_LINES)
    taken: list[str] = []
    for line in lines[symbol.line : last]:
        if taken and sum(map(len, taken)) + len(line) > MOST_CHARACTERS:
            break
        taken.append(line.rstrip())
    return "\n".join(taken)
