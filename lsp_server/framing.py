"""Message bodies out of a stream of bytes, which finds its way back after a wrong frame.

A header with a length, raw line ends and all, can be no part of a body: JSON has no such tokens,
and in its strings line ends are escaped. So where one is found inside a body, the length that was
announced for that body was too long, and what stands between two frames is of no meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST_BODY = 1 << 28
MOST_HEADER = 1 << 13
_LONGEST_NUMBER = 18

_BLANK_LINE = re.compile(rb"\n\r?\n")
_HEADER = re.compile(
    rb"content-length[ \t]*:[ \t]*(\d+)[ \t]*(?:\r?\n[^\r\n:]+:[^\r\n]*)*\r?\Z", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Refused:
    """A frame of a length that no message has. Nothing of its body has been read."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Header:
    start: int
    end: int
    length: int


class Framing:
    """Headers are found in any letter case, with any others beside the length."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._length: int | None = None
        self._looked = 0  # no blank line of a header ends before this index

    def feed(self, data: bytes) -> Iterator[bytes | Refused]:
        self._buffer += data
        while True:
            found = self._next_header(self._length)
            if self._length is not None:
                end = self._length if found is None else found.start
                if len(self._buffer) < end:
                    return
                body = bytes(self._buffer[:end])
                # The next header may have begun in this body.
                self._drop(max(0, end - MOST_HEADER))
                self._looked = max(0, min(end, MOST_HEADER) - 3)
                self._length = None
                yield body
            elif found is None:
                self._drop(max(0, len(self._buffer) - MOST_HEADER))
                return
            else:
                self._drop(found.end)
                if found.length > MOST_BODY:
                    yield Refused(f"a message is at most {MOST_BODY} bytes long")
                else:
                    self._length = found.length

    def _next_header(self, before: int | None) -> _Header | None:
        """The first one that begins before index `before`, of those that are complete."""
        while (blank := _BLANK_LINE.search(self._buffer, self._looked)) is not None:
            if before is not None and blank.start() >= before + MOST_HEADER:
                return None
            since = max(0, blank.start() - MOST_HEADER)
            match = _HEADER.search(bytes(self._buffer[since : blank.start()]))
            if match is not None:
                start = since + match.start()
                if before is not None and start >= before:
                    return None
                digits = match[1].lstrip(b"0")[:_LONGEST_NUMBER] or b"0"
                return _Header(start, blank.end(), int(digits))
            self._looked = blank.start() + 1
        self._looked = max(self._looked, len(self._buffer) - 2)
        return None

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._looked = max(0, self._looked - count)
