"""Holes whose tokens have to fit together, as a constraint wants it.

Whether a token may stand in a position depends on what stands in the others, and a step takes
tokens for several positions at once. So a rule lets the joint choose for it: first all that no
text with the known tokens has there is forbidden, then of the texts that are left the likeliest is
taken as a whole, of which any positions may be kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from engine.denoise.canvas import Canvas
from engine.denoise.edits import spans_of

OPEN = -1  # instead of a token: none is known


class Language(Protocol):
    """The rows of tokens that a hole may hold."""

    def permitted(self, known: tuple[int, ...]) -> Tensor:
        """[n, V], True for tokens that stand in some row of the language beside the tokens that are
        `known` (OPEN where none is)."""
        ...

    def likeliest(self, scores: Tensor) -> Tensor:
        """[n], the row with the highest sum of `scores` [n, V], -inf for what it may not have."""
        ...


class Joint:
    """The languages of the holes of a batch of canvases, None of holes that may hold anything."""

    def __init__(self, rows: Sequence[Sequence[Language | None]]) -> None:
        self._rows = [tuple(row) for row in rows]

    def narrow(
        self, logits: Tensor, canvas: Canvas, tokens: Tensor, known: Tensor | None = None
    ) -> None:
        """Forbid in `logits` [B, M, V] what does not fit to those of `tokens` [B, M] that are
        `known` [B, M]; None for none of them."""
        ids = tokens if known is None else tokens.masked_fill(~known, OPEN)
        if known is None:
            ids = torch.full_like(tokens, OPEN)
        given = ids.tolist()
        for row, start, end, language in self._holes(canvas):
            permitted = language.permitted(tuple(given[row][start:end]))
            logits[row, start:end].masked_fill_(~permitted.to(logits.device), -torch.inf)

    def settle(self, tokens: Tensor, scores: Tensor, canvas: Canvas) -> Tensor:
        """`tokens` [B, M] with those of constrained holes as `scores` [B, M, V], which have been
        narrowed, have them together."""
        settled = tokens.clone()
        for row, start, end, language in self._holes(canvas):
            settled[row, start:end] = language.likeliest(scores[row, start:end]).to(tokens.device)
        return settled

    def within(self, canvas: Canvas) -> Tensor:
        """[B, M], True for the positions of constrained holes."""
        inside = torch.zeros_like(canvas.real)
        for row, start, end, _ in self._holes(canvas):
            inside[row, start:end] = True
        return inside

    def keep(self, rows: Tensor) -> None:
        chosen = torch.arange(len(self._rows), device=rows.device)[rows].tolist()
        self._rows = [self._rows[row] for row in chosen]

    def _holes(self, canvas: Canvas) -> Iterator[tuple[int, int, int, Language]]:
        for row, languages in enumerate(self._rows):
            for (start, end), language in zip(spans_of(canvas.holes[row]), languages, strict=True):
                if language is not None and start < end:
                    yield row, start, end, language


__all__ = ["OPEN", "Joint", "Language"]
