"""What has been read before: hashes of code lines in a row, blind to layout and comments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b

from engine.training.source import Source


def apart(sources: list[Source], others: list[Source], share: float) -> list[Source]:
    """The sources of which at most `share`, in 5-line shingles, is also in `others`."""
    seen = {shingle for other in others for shingle in shingles(other.text, 5)}
    return [source for source in sources if _overlap(shingles(source.text, 5), seen) <= share]


def without_near_duplicates(sources: Iterable[Source]) -> Iterator[Source]:
    """Each source of which at most half, in 8-line shingles, is in the ones already given."""
    seen: set[bytes] = set()
    for source in sources:
        own = shingles(source.text, 8)
        if _overlap(own, seen) <= 0.5:
            seen.update(own)
            yield source


def shingles(text: str, n_lines: int) -> list[bytes]:
    """Hashes of every `n_lines` code lines in a row, blind to indentation, blanks and comments."""
    stripped = map(str.strip, text.splitlines())
    lines = [line for line in stripped if line and not line.startswith(("#", "//"))]
    windows = range(max(1, len(lines) - n_lines + 1))
    return [digest("\n".join(lines[i : i + n_lines])) for i in windows]


def digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8).digest()


def _overlap(own: list[bytes], seen: set[bytes]) -> float:
    return sum(shingle in seen for shingle in own) / len(own)
