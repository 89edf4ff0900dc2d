"""What each token of a model writes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property

import torch
from torch import Tensor

LAST = "\U0010ffff"  # sorts after any character that a token has
LONGEST = 32  # characters of a token that is looked at character by character


class TokenTexts:
    """The text of each of V tokens by its id, None for one that may not be written.

    `written` [V] is True where there is a text.
    """

    def __init__(self, texts: Sequence[str | None], device: torch.device) -> None:
        self._texts = list(texts)
        self._ordered = sorted((text, token) for token, text in enumerate(texts) if text)
        self.written = torch.tensor([text is not None for text in texts], device=device)

    @cached_property
    def spelled(self) -> Tensor:
        """The ids of the tokens that `characters` has: those with a text of 1 to LONGEST."""
        return (self.lengths > 0).nonzero().squeeze(-1)

    @cached_property
    def lengths(self) -> Tensor:
        """[V], in characters; 0 for tokens without a text, or with one that is too long."""
        sizes = [len(text or "") for text in self._texts]
        return torch.tensor([size if size <= LONGEST else 0 for size in sizes])

    @cached_property
    def characters(self) -> Tensor:
        """[V, LONGEST], the code points of each token's text, then 0."""
        rows = "".join((text or "")[:LONGEST].ljust(LONGEST, "\0") for text in self._texts)
        codes = bytearray(rows.encode("utf-32-le", "surrogatepass"))
        return torch.frombuffer(codes, dtype=torch.int32).view(-1, LONGEST)

    def __getitem__(self, token: int) -> str | None:
        return self._texts[token]

    def __iter__(self) -> Iterator[str | None]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def fitting(self, left: str) -> Tensor:
        """[V], True for tokens that begin with what is `left` to write, or with what of it they
        have room for."""
        if not left:
            return self.written
        fits = torch.zeros_like(self.written)
        found = self._between(left, left + LAST)
        for length in range(1, len(left)):
            found += self._between(left[:length], left[:length] + "\0")
        fits[found] = True
        return fits

    def _between(self, first: str, end: str) -> list[int]:
        start, stop = (bisect_left(self._ordered, (text, -1)) for text in (first, end))
        return [token for _, token in self._ordered[start:stop]]


__all__ = ["LAST", "TokenTexts"]
