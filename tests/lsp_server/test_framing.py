"""Wrong frames, and the way back to the next right one."""

from __future__ import annotations

import pytest

from lsp_server.framing import MOST_BODY, MOST_HEADER, Framing, Refused
from tests.lsp_server.wire import framed

A, B = b'{"a": "\xc3\xa9"}', b'{"b": "\\r\\nContent-Length: 3\\r\\n\\r\\nabc"}'
NEXT = framed(B)

# Bytes before a right frame, and what comes out before its body.
WRONG: dict[str, tuple[bytes, list[bytes | None]]] = {
    "nothing wrong": (framed(A), [A]),
    "one too short": (framed(A, f"Content-Length: {len(A) - 1}\r\n\r\n"), [A[:-1]]),
    "counted in characters": (framed(A * 9, f"Content-Length: {9 * 9}\r\n\r\n"), [(A * 9)[:81]]),
    "one too long": (framed(A, f"Content-Length: {len(A) + 1}\r\n\r\n"), [A]),
    "a part of the next header too long": (framed(A, f"Content-Length: {len(A) + 9}\r\n\r\n"), [A]),
    "far too long": (framed(A, "Content-Length: 100000000\r\n\r\n"), [A]),
    "absurdly long": (framed(A, f"Content-Length: {MOST_BODY + 1}\r\n\r\n"), [None]),
    "long beyond all numbers": (framed(A, f"Content-Length: {'9' * 6000}\r\n\r\n"), [None]),
    "negative": (framed(A, "Content-Length: -5\r\n\r\n"), []),
    "no number": (framed(A, "Content-Length: many\r\n\r\n"), []),
    "a fraction": (framed(A, "Content-Length: 5.5\r\n\r\n"), []),
    "no length": (framed(A, "Content-Type: x\r\n\r\n"), []),
    "no header": (A, []),
    "an empty header": (b"\r\n\r\n" + A, []),
    "empty": (b"Content-Length: 0\r\n\r\n", [b""]),
    "line ends of Unix": (framed(A, f"Content-Length: {len(A)}\n\n"), [A]),
    "leading zeros": (framed(A, f"Content-Length: 000{len(A)}\r\n\r\n"), [A]),
    "other headers around": (
        framed(A, f"X-A: 1\r\ncontent-LENGTH :{len(A)}\r\nContent-Type: a; charset=b\r\n\r\n"),
        [A],
    ),
    "blank lines in a body": (framed(b"{\r\n\r\n\n\n}"), [b"{\r\n\r\n\n\n}"]),
    "noise": (bytes(range(256)) * 300, []),
    "blank lines without end": (b"\r\n\r\n" * 5000, []),
    "a header without end": (b"X" * 3 * MOST_HEADER, []),
}


@pytest.mark.parametrize("size", [1, 2, 7, 1 << 16])
@pytest.mark.parametrize("wrong", WRONG)
def test_the_next_right_frame_is_found(wrong: str, size: int) -> None:
    data, expected = WRONG[wrong]
    data += NEXT + NEXT
    framing = Framing()
    got: list[bytes | None] = []
    for at in range(0, len(data), size):
        for frame in framing.feed(data[at : at + size]):
            got.append(None if isinstance(frame, Refused) else frame)
            assert not isinstance(frame, Refused) or str(MOST_BODY) in frame.reason
    # A header that has not come when a body is complete as announced has left its begin there.
    first = got[0] if got else None
    if "too long" in wrong and first is not None and first.startswith(A):
        assert NEXT.startswith(first.removeprefix(A))
        got[0] = A
    assert got == [*expected, B, B]


def test_what_is_skipped_is_not_kept() -> None:
    framing = Framing()
    for _ in range(100):
        assert list(framing.feed(b"\0" * (1 << 16))) == []
    assert len(framing._buffer) <= MOST_HEADER
