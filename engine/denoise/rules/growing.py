"""Holes that grow and shrink while they are denoised, as DreamOn has it: a delete leaves nothing
behind it, and an expand becomes two masks.

A delete decides for what is to the right of it too: nothing comes after it in its hole, so every
position that was still masked there is deleted with it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.denoise.canvas import Canvas
from engine.denoise.edits import Edits, spans_of
from engine.denoise.rules.rule import Denoising
from engine.denoise.rules.slack import running


def deleted_with(
    fresh: Tensor, tokens: Tensor, masked: Tensor, slack: int, canvas: Canvas
) -> Tensor:
    """Of the `masked` positions [B, M] those at or behind one that freshly took `slack`."""
    is_delete = fresh & (tokens == slack)
    return masked & (running(is_delete.long(), canvas) > 0)


class Growth:
    """How much the holes of a batch of canvases may still grow."""

    def __init__(self, settings: Denoising, canvas: Canvas) -> None:
        self._settings = settings
        self._left = [[settings.expansions] * len(row) for row in canvas.holes]

    def forbid(self, logits: Tensor, canvas: Canvas, *, is_last: bool) -> None:
        """No position of `logits` [B, M, V] may expand whose hole is full, or has expanded often
        enough; none at the last step, which leaves no mask."""
        expand = self._settings.expand
        if expand is None:
            return
        is_last = is_last or canvas.lengths is None
        full = self._settings.hole_tokens
        for row, (lengths, left) in enumerate(zip(canvas.holes, self._left, strict=True)):
            for (start, end), budget in zip(spans_of(lengths), left, strict=True):
                if is_last or end - start >= full or budget <= 0:
                    logits[row, start:end, expand] = -torch.inf

    def edits(self, tokens: Tensor, chosen: Tensor, canvas: Canvas) -> Edits | None:
        """What `tokens` [B, M] of the positions `chosen` [B, M] make of the holes; None where they
        stay as they are, as on a canvas whose padding is looked at: there a delete is slack. Of
        several expansions in a hole that has not room for all, the last ones become one mask."""
        if canvas.lengths is None:
            return None
        slack, expand = self._settings.slack, self._settings.expand
        is_slack = chosen & (tokens == slack) if slack is not None else torch.zeros_like(chosen)
        grows = chosen & (tokens == expand) if expand is not None else torch.zeros_like(chosen)
        if not bool((is_slack | grows).any()):
            return None
        sources = []
        pairs = zip(canvas.holes, is_slack.tolist(), grows.tolist(), self._left, strict=True)
        for lengths, deletes, expands, left in pairs:
            holes = []
            for at, (start, end) in enumerate(spans_of(lengths)):
                hole: list[int | None] = []
                room = self._settings.hole_tokens - (end - start) + sum(deletes[start:end])
                for place in range(start, end):
                    if expands[place]:
                        grown = left[at] > 0 and room > 0
                        hole += [None, None] if grown else [None]
                        left[at] -= grown
                        room -= grown
                    elif not deletes[place]:
                        hole.append(place)
                holes.append(tuple(hole))
            sources.append(tuple(holes))
        return Edits(tuple(sources))

    def keep(self, rows: Tensor) -> None:
        chosen = torch.arange(len(self._left), device=rows.device)[rows].tolist()
        self._left = [self._left[row] for row in chosen]


__all__ = ["Growth", "deleted_with"]
