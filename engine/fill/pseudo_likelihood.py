"""Ranking without a causal pass: the pseudo-likelihood of a fill, and of the text right after it.

A masked model tells a token from all others around it. So the fill is put between what is pinned,
some of its tokens are masked, and what the model then gives to the right ones is read off. In each
of a few rows every n-th token is masked, another in each row, so that all are scored once, each
beside most of the others; all rows of all candidates are one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from tokenizers import Tokenizer

from engine.checkpoints.profile import Profile
from engine.fill.prompt import Prompt, encoding_of, last_piece
from engine.fill.rank import SUFFIX_CHARACTERS, Likelihood
from engine.models.family import Context, Look, Model


@dataclass(frozen=True, slots=True)
class _Text:
    """A candidate in its place: all `ids` of the canvas, and which of them are the middle's and the
    suffix's that count."""

    ids: list[int]
    middle: range
    suffix: range

    @property
    def scored(self) -> range:
        return range(self.middle.start, self.suffix.stop)


@torch.no_grad()
def pseudo_likelihoods(
    model: Model[Any],
    tokenizer: Tokenizer,
    profile: Profile,
    prompt: Prompt,
    middles: Sequence[str],
    context: Context,
    memory: dict[str, Any],
) -> list[Likelihood]:
    """Score each of `middles` between the prompt's head and suffix, behind `context`; `memory` is
    that of the fill. As in engine/fill/rank.py, a word that is broken off before the gap is part of
    the middle."""
    head = prompt.texts[0]
    begin = len(head) - len(last_piece(encoding_of(tokenizer, head), head))
    texts = [_text(tokenizer, profile, prompt, middle, begin) for middle in middles]
    passes = profile.ranking.pseudo_likelihood
    masked = [
        (number, list(text.scored[offset::passes]))
        for number, text in enumerate(texts)
        for offset in range(passes)
        if text.scored[offset::passes]
    ]
    found: list[dict[int, float]] = [{} for _ in texts]
    # What a profile lays out side by side is what memory was planned for.
    most = passes * max(1, len(profile.canvas.line_tokens), len(profile.canvas.block_tokens))
    for start in range(0, len(masked), most):
        rows = masked[start : start + most]
        values = _score(model, profile, [texts[number].ids for number, _ in rows],
                        [places for _, places in rows], context, memory)  # fmt: skip
        for (number, places), row in zip(rows, values, strict=True):
            found[number].update(zip(places, row, strict=True))
    return [
        Likelihood(
            _mean([known[place] for place in text.middle]),
            _mean([known[place] for place in text.suffix]),
            len(text.middle),
        )
        for text, known in zip(texts, found, strict=True)
    ]


def _score(
    model: Model[Any],
    profile: Profile,
    ids: Sequence[list[int]],
    places: Sequence[list[int]],
    context: Context,
    memory: dict[str, Any],
) -> list[list[float]]:
    """The log-probability of each token of `ids` at `places`, row by row, with those masked."""
    assert profile.tokens.noise is not None
    device, (mask,) = model.device, profile.tokens.noise
    width, most = max(map(len, ids)), max(map(len, places))
    canvas = torch.tensor(
        [[*row, *[profile.tokens.pad] * (width - len(row))] for row in ids], device=device
    )
    positions = torch.tensor([[*row, *row[-1:] * (most - len(row))] for row in places])
    positions = positions.to(device)
    tokens = canvas.gather(1, positions)
    look = Look(
        canvas.scatter(1, positions, mask),
        context,
        positions,
        rows=torch.arange(len(ids), device=device),
        memory=memory,
        lengths=None if profile.canvas.padded else tuple(map(len, ids)),
        prompt="read" if profile.sampling.prefix_refresh == 1 else "reuse",
    )
    values = model.log_probability(look, tokens).tolist()
    return [row[: len(each)] for row, each in zip(values, places, strict=True)]


def _text(tokenizer: Tokenizer, profile: Profile, prompt: Prompt, middle: str, begin: int) -> _Text:
    """Head, middle and suffix encoded as one text, so that no seam shows; behind what is scored as
    many tokens of the suffix as a canvas has."""
    head, suffix = prompt.texts[0], prompt.texts[-1]
    end = len(head) + len(middle)
    limit = profile.canvas.suffix_tokens
    pinned = profile.canvas.width if limit is None else limit
    characters = max(SUFFIX_CHARACTERS, pinned * 8)
    encoding = encoding_of(tokenizer, head + middle + suffix[:characters])
    offsets = encoding.offsets
    first = next((i for i, (_, to) in enumerate(offsets) if to > begin), len(offsets))
    after = next((i for i, (start, _) in enumerate(offsets) if start >= end), len(offsets))
    after = max(first, after)
    stop = min(len(offsets), after + profile.ranking.scored_suffix_tokens)
    ids = encoding.ids[: max(stop, min(after + pinned, max(profile.canvas.width, stop)))]
    is_whole = len(ids) == len(offsets) and len(suffix) <= characters
    if is_whole and prompt.end_of_text and profile.tokens.eos is not None:
        ids = [*ids, profile.tokens.eos]
    return _Text(ids, range(first, after), range(after, stop))


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


__all__ = ["pseudo_likelihoods"]
