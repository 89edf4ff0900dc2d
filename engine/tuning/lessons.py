"""Lessons: gaps cut from a file, and canvases laid out for them exactly as they are in use.

A lesson is a stretch of a file that the model reads once, and several gaps of it. What stands
before a gap is mostly a beginning of that stretch, and is then not read again. Every lesson depends
on the seed and its number alone, so that a run goes on where it stopped.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from tokenizers import Tokenizer

from engine.api import FillRequest, Shape
from engine.checkpoints.profile import Profile
from engine.denoise.canvas import Layout
from engine.evaluation.cutting import Text, draw_gap
from engine.evaluation.items import Kind, within_lines
from engine.evaluation.pauses import find_pauses
from engine.fill.chat_prompt import build_chat_prompt
from engine.fill.lengths import hole_lengths, largest_hole, lay_out_candidates
from engine.fill.prompt import Prompt, build_prompt, encode, following_of
from engine.fill.segments import CHARACTERS_PER_TOKEN
from engine.fill.writable import Writable

STRETCH = 384  # tokens of a file that are read for a lesson, at most
GAPS = 6  # of a lesson
DRAWS = 12  # for each gap, before a lesson has fewer
KINDS: dict[Kind | None, float] = {  # what gaps are cut, by weight; None is a pause while typing
    "rest of line": 35, "whole line": 20, "block": 20, None: 25
}  # fmt: skip
FILE_START = 0.3  # of the lessons begin where a file does, because prompts of short files do
# What of a hole is noise, by weight: all of it, all behind its first tokens, a share.
PATTERNS = {"whole": 30, "left": 45, "scattered": 25}
LEAST = 0.1  # of a hole is noise where it is scattered
# A hole that is resolved from the left: the loss fades by this for each token behind the first that
# is noise, down to the least, because what is far behind it can hardly be known yet.
FADING, FAINTEST = 0.8, 0.2
PAUSES_KEPT = 256  # files whose pauses are remembered


@dataclass(frozen=True, slots=True)
class Gap:
    """The characters [start, end) of a text that a fill is to give back, in a buffer that goes on
    at `resumes`: behind `end` where what follows is not written yet."""

    start: int
    end: int
    resumes: int
    shape: Shape


@dataclass(frozen=True, slots=True)
class Canvas:
    """A gap as the model sees it: `seen` [C] after the prompt's `ids`. At `positions` [M] stand
    `wanted` [M], whose losses count as `weights` [M]; `noised` [M] says where noise is seen.

    `causal`: what a causal pass that was taught to fill reads from the prompt's last token on, and
    how many of the last tokens of that it is to predict; empty for another. Before it reads
    `ahead`, which stands `behind` so many tokens of the canvas.
    """

    ids: list[int]
    seen: list[int]
    positions: list[int]
    wanted: list[int]
    weights: list[float]
    noised: list[bool]
    causal: list[int]
    predicted: int
    ahead: list[int]
    behind: int


@dataclass(frozen=True, slots=True)
class Lesson:
    """`ids` [T] of a stretch of a file, and canvases, most of whose prompts begin it."""

    ids: list[int]
    canvases: list[Canvas]


class Lessons:
    """Draws lessons from `texts`, the files by their length. Raises ValueError without any."""

    def __init__(
        self,
        texts: Sequence[Text],
        tokenizer: Tokenizer,
        profile: Profile,
        writable: Writable,
        vocabulary_size: int,
        seed: int = 0,
    ) -> None:
        if not texts:
            raise ValueError("there is no file to learn from")
        self._texts = texts
        self._ends = list(accumulate(len(text.text) for text in texts))
        self._tokenizer, self._profile, self._writable = tokenizer, profile, writable
        self._vocabulary_size, self._seed = vocabulary_size, seed
        self._pauses = lru_cache(PAUSES_KEPT)(self._find_pauses)

    def lesson(self, number: int) -> Lesson:
        """The lesson of a number; one without canvases where no gap of it fits on any."""
        rng = random.Random(f"{self._seed}/{number}")
        index = rng.choices(range(len(self._texts)), cum_weights=self._ends)[0]
        text = self._texts[index].text
        begin = 0
        if rng.random() >= FILE_START:
            begin = text.rfind("\n", 0, rng.randrange(len(text))) + 1
        # Only where a file begins does a prompt begin with <bos>.
        profile = self._profile if begin == 0 else self._profile.but(bos=None)
        most = min(STRETCH, profile.canvas.prompt_tokens)
        encoding = self._tokenizer.encode(
            text[begin : begin + most * CHARACTERS_PER_TOKEN], add_special_tokens=False
        )
        bos = [profile.tokens.bos] if profile.tokens.bos is not None else []
        read = (bos + encoding.ids)[:most]
        last = encoding.offsets[len(read) - len(bos) - 1][1] if len(read) > len(bos) else 0
        canvases: list[Canvas] = []
        for _ in range(GAPS * DRAWS):
            gap = self._draw_gap(index, begin, begin + last, rng)
            canvas = gap and self._canvas(index, begin, gap, profile, rng)
            if canvas:
                canvases.append(canvas)
            if len(canvases) == GAPS:
                break
        return Lesson(read, canvases)

    def _draw_gap(self, index: int, begin: int, end: int, rng: random.Random) -> Gap | None:
        """A gap that starts in [begin, end) of a file."""
        text = self._texts[index]
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        if kind is None:
            inside = [gap for gap in self._pauses(index) if begin <= gap.start < end]
            return rng.choice(inside) if inside else None
        first = text.text.count("\n", 0, begin)
        lines = range(first, first + text.text.count("\n", begin, end) + 1)
        if lines.stop > len(text.text.splitlines()):
            lines = range(first, lines.stop - 1)
        found = draw_gap(text.text, kind, text.language, rng, lines) if lines else None
        if found is None or not begin <= found[0] < end:
            return None
        start, stop = found
        solution, _ = within_lines(text.text[:start], text.text[start:stop], text.text[stop:])
        stop = start + len(solution)
        return Gap(start, stop, stop, Shape.BLOCK if kind == "block" else Shape.LINE)

    def _find_pauses(self, index: int) -> list[Gap]:
        """Where one stops to think: the rest of the line is wanted, and what follows it up to the
        end of the block is not written yet."""
        found = []
        for pause in find_pauses(self._texts[index]):
            start = len(pause.prefix)
            line = pause.wanted.split("\n", 1)[0]
            if line.strip():
                gap = Gap(start, start + len(line), start + len(pause.wanted), Shape.LINE)
                found.append(gap)
        return found

    def _canvas(
        self, index: int, begin: int, gap: Gap, profile: Profile, rng: random.Random
    ) -> Canvas | None:
        """None where the gap's text does not fit into any hole that it is given in use."""
        text, language = self._texts[index].text, self._texts[index].language
        around = (text[begin : gap.start], text[gap.resumes :])
        solution = text[gap.start : gap.end]
        request = FillRequest(around, language, shape=gap.shape, max_tokens=profile.canvas.width)
        prompt = self._prompt(request, profile)
        (seam,) = prompt.seams
        wanted = encode(self._tokenizer, seam.left + solution + seam.right)
        slack = profile.tokens.slack
        lengths = hole_lengths(request, profile, prompt, gap.shape, [])
        if slack is None:
            exact = len(wanted) - seam.tokens
            lengths = [exact] if 1 <= exact <= max(lengths, default=0) else []
        if not lengths:
            return None
        largest = largest_hole(request, profile, prompt, gap.shape, lengths)
        layouts = lay_out_candidates(prompt, profile, lengths, largest)
        roomy = [layout for layout in layouts if len(layout.holes[0]) >= len(wanted)]
        if not roomy:
            return None
        return self._noised(prompt, rng.choice(roomy), wanted, profile, rng)

    def _prompt(self, request: FillRequest, profile: Profile) -> Prompt:
        vocabulary = self._writable.vocabulary
        if profile.canvas.style == "chat":
            return build_chat_prompt(request, self._tokenizer, profile, vocabulary)
        return build_prompt(request.texts, self._tokenizer, profile, vocabulary)

    def _noised(
        self,
        prompt: Prompt,
        layout: Layout,
        text: list[int],
        profile: Profile,
        rng: random.Random,
    ) -> Canvas:
        (hole,) = layout.holes
        tokens = profile.tokens
        spare = len(hole) - len(text)
        wanted = text if tokens.slack is None else [*text, *[tokens.slack] * spare]
        noised = _noise_pattern(len(wanted), len(text), rng)
        # The first slack says how long the text is; those after it count together as one token.
        weights = [1.0 if at <= len(text) else 1.0 / spare for at in range(len(wanted))]
        if profile.sampling.order == "left":
            weights = _faded(weights, noised)
        if tokens.noise is not None:  # what noise is can be seen: the rest of the hole is known
            weights = [weight * is_noise for weight, is_noise in zip(weights, noised, strict=True)]
        seen = list(layout.ids)
        for at, (token, is_noise) in enumerate(zip(wanted, noised, strict=True)):
            if is_noise:
                any_id = rng.randrange(self._vocabulary_size)
                token = any_id if tokens.noise is None else rng.choice(tokens.noise)
            seen[hole.start + at] = token
        causal: list[int] = []
        if tokens.fill_end is not None and prompt.ids:
            causal = [prompt.ids[-1], *prompt.head, *text, tokens.fill_end]
        return Canvas(
            ids=prompt.ids,
            seen=seen,
            positions=list(range(hole.start, hole.start + len(wanted))),
            wanted=wanted,
            weights=weights,
            noised=noised,
            causal=causal,
            predicted=len(text) + 1,
            ahead=following_of(prompt, profile),
            behind=hole.end,
        )


def _noise_pattern(size: int, length: int, rng: random.Random) -> list[bool]:
    """Which of a hole's `size` positions are noise, one at least; `length` tokens are text."""
    pattern = rng.choices(list(PATTERNS), list(PATTERNS.values()))[0]
    if pattern == "scattered":
        share = rng.uniform(LEAST, 1.0)
        noised = [rng.random() < share for _ in range(size)]
        noised[rng.randrange(size)] = True
        return noised
    known = rng.randint(1, max(1, length)) if pattern == "left" else 0
    return [at >= min(known, size - 1) for at in range(size)]


def _faded(weights: list[float], noised: list[bool]) -> list[float]:
    first = noised.index(True)
    return [
        weight * max(FAINTEST, FADING ** max(0, at - first)) for at, weight in enumerate(weights)
    ]


__all__ = ["Canvas", "Gap", "Lesson", "Lessons"]
