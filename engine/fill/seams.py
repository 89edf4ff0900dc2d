"""Seams: where a hole meets the text around it, which may be inside a word or inside a token.

A model that was never trained on such cuts knows text only as its tokenizer cuts the whole of it.
After "pri" it does not expect "nt", because "print" is one token. So the pinned text hands its last
token to the hole, and the hole's first token must be one whose text begins with what was handed
over: "pri", "print", "private". The same on the right, with the first token after the hole.

Every other token is banned from that place, so the piece comes out by construction, not by hope;
and as the piece itself is a token, no text is ruled out. One token a side is all that is healed: of
a longer piece nothing would be known to be a token, and the text would have to be forced.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from engine.fill.token_texts import LAST


@dataclass(frozen=True, slots=True)
class Seam:
    """What a hole's first token begins with and its last token ends with; "" for anything."""

    left: str = ""
    right: str = ""

    @property
    def tokens(self) -> int:
        """How many tokens longer the hole is for it."""
        return bool(self.left) + bool(self.right)

    def cut(self, text: str) -> str:
        """A hole's `text` without the pieces."""
        return text[len(self.left) : len(text) - len(self.right)]


class Vocabulary:
    """Token texts, sorted from both ends."""

    def __init__(self, texts: Sequence[str | None]) -> None:
        """`texts[id]` is a token's text, None for one that no seam may use."""
        usable = [(text, token) for token, text in enumerate(texts) if text]
        self._forward = sorted(usable)
        self._backward = sorted((text[::-1], token) for text, token in usable)

    def beginning(self, piece: str) -> list[int]:
        """The tokens whose text begins with `piece`; none if it is no token or the only one."""
        return _starting(self._forward, piece)

    def ending(self, piece: str) -> list[int]:
        """The tokens whose text ends with `piece`; none if it is no token or the only one."""
        return _starting(self._backward, piece[::-1])


def _starting(ordered: Sequence[tuple[str, int]], piece: str) -> list[int]:
    first = bisect_left(ordered, (piece, -1))
    after = bisect_left(ordered, (piece + LAST, -1))
    if not piece or after - first < 2 or ordered[first][0] != piece:
        return []
    return [token for _, token in ordered[first:after]]
