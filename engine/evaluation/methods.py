"""How the length of a gap is found: searched as in use, fixed, or told by an oracle."""

from __future__ import annotations

from dataclasses import replace

from engine.api import Fill, FillRequest, Shape
from engine.evaluation.items import Item
from engine.infill import LocalEngine
from engine.profile import Profile
from engine.prompt import encode

SEARCHED, FIXED, ORACLE = "searched", "fixed", "oracle"
METHODS = (SEARCHED, FIXED, ORACLE)
MOST = 256  # tokens of a gap


class Filler:
    """A model that fills an item's gap by one of METHODS."""

    def __init__(self, engine: LocalEngine, steps: int | None = None) -> None:
        self._engine, self._steps = engine, steps
        self._profile = engine.profile

    def fill(self, item: Item, method: str) -> Fill:
        """`oracle` has as many tokens as the solution, `fixed` the middle one of the lengths that
        the profile searches, each in a single candidate."""
        request = FillRequest(
            texts=(item.prefix, item.suffix),
            language=item.language,
            shape=Shape.BLOCK if item.block else Shape.LINE,
            max_tokens=MOST,
            steps=self._steps,
        )
        if method == SEARCHED:
            return self._engine.fill(request)
        length = fixed_length(self._profile, item.block)
        if method == ORACLE:
            length = max(1, min(MOST, len(encode(self._engine.tokenizer, item.solution))))
        self._engine.profile = replace(self._profile, line_tokens=(length,), block_tokens=(length,))
        try:
            return self._engine.fill(replace(request, max_tokens=length, candidates=1))
        finally:
            self._engine.profile = self._profile


def fixed_length(profile: Profile, block: bool) -> int:
    lengths = sorted(profile.block_tokens if block else profile.line_tokens)
    return lengths[len(lengths) // 2]
