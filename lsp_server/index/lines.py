"""A text as the index keeps it: its lines without indentation, each by a number of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from zlib import crc32

SHORTEST = 4  # characters of a line that is kept: shorter ones are brackets and words like `else`
LONGEST = 160
ID_BYTES = 6  # among five million lines the odds of two with one number are 1 in 20
MOST_LINES = 20_000  # of a file

_KEPT = (
    "and as async await break case catch class const continue def delete do elif else end except"
    " export extends false final finally fn for from func function if impl import in is lambda let"
    " local match mut new nil none not null or pass private protected pub public raise return self"
    " static struct super switch then this throw true try type undefined use var void while with"
    " yield None True False"
)
_NAME = re.compile(rf"\b(?!(?:{_KEPT.replace(' ', '|')})\b)[^\W\d]\w*+(?!\s*\()")


@dataclass(frozen=True, slots=True)
class Line:
    """A line with something on it. `deeper`: by how many characters it is indented more than the
    line with something on it above; `id` is the same for the same text."""

    id: int
    text: str
    deeper: int


def lines_of(text: str) -> Iterator[Line]:
    """The lines of a file that have something on them."""
    indent = 0
    for line in text.splitlines()[:MOST_LINES]:
        stripped = line.strip()
        if stripped:
            now = len(line) - len(line.lstrip())
            yield Line(id_of(stripped), stripped, now - indent)
            indent = now


def is_kept(text: str) -> bool:
    """Whether a stripped line is one to propose, or to be reminded of another by."""
    return SHORTEST <= len(text) <= LONGEST and any(map(str.isalnum, text))


def id_of(text: str) -> int:
    """The number of a stripped line."""
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=ID_BYTES).digest())


def skeleton_of(text: str) -> int:
    """The same for lines that differ only in names: not in those of what they call, or keywords."""
    return crc32(_NAME.sub("_", text).encode("utf-8", "replace"))


def pack(ids: list[int]) -> bytes:
    return b"".join(each.to_bytes(ID_BYTES) for each in ids)


def unpack(packed: bytes) -> list[int]:
    return [int.from_bytes(packed[at : at + ID_BYTES]) for at in range(0, len(packed), ID_BYTES)]
