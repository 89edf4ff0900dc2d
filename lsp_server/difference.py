"""The one range in which two texts differ."""

from __future__ import annotations

CHUNK = 4096


def difference(old: str, new: str) -> tuple[int, int, int]:
    """`start`, `old_end`, `new_end`: old[start:old_end] has become new[start:new_end].

    The smallest such range; the texts agree outside of it. One pass, whatever the edit was.
    """
    most = min(len(old), len(new))
    start = _common_start(old, new, most)
    after = _common_end(old, new, most - start)
    return start, len(old) - after, len(new) - after


def _common_start(old: str, new: str, most: int) -> int:
    at = 0
    while at < most and old[at : min(at + CHUNK, most)] == new[at : min(at + CHUNK, most)]:
        at += CHUNK
    low, high = min(at, most), min(at + CHUNK, most)
    while low < high:  # old and new agree up to `low`
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_end(old: str, new: str, most: int) -> int:
    at = 0
    while at < most and _ends_agree(old, new, at, min(at + CHUNK, most)):
        at += CHUNK
    low, high = min(at, most), min(at + CHUNK, most)
    while low < high:
        middle = (low + high + 1) // 2
        if _ends_agree(old, new, low, middle):
            low = middle
        else:
            high = middle - 1
    return low


def _ends_agree(old: str, new: str, low: int, high: int) -> bool:
    """Whether the texts agree from `high` to `low` characters before their ends."""
    return old[len(old) - high : len(old) - low] == new[len(new) - high : len(new) - low]
