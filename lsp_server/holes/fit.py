"""What a fill must be cut to so that it stays in its hole, before the filters of suggest.clean."""

from __future__ import annotations

from collections.abc import Sequence

from engine.api import Shape
from engine.fill.brackets import unmatched_closer


def fit(text: str, shape: Shape, language: str, stops: Sequence[str]) -> str:
    """`text`, with LF, cut where it would leave the hole; a block without white space around."""
    for stop in stops:
        text = text.partition(stop)[0]
    if shape is not Shape.BLOCK:
        return text
    closer = unmatched_closer(text, language)
    if closer is not None:
        text = text[:closer]
    return text.strip("\n").rstrip()
