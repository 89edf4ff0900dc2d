"""Batches: chunks of source text, and canvases cut from them.

Two kinds of canvas stand behind the tokens of the chunk that precede them:

    | head | slot: middle, then slack | what follows ... |      noised, read both ways
    | what follows ... | head, middle END | pad |               read causally

In both a token has the place that it has in the first: the causal pass reads what follows ahead of
time, where it stands behind the slot, and then head and middle right behind the chunk, as it would
read on in any text. So the base does well at once what it has only to refine.

The slot takes back the head's open end (`tokens.open_end`), as it does when filling: then slot and
chunk are cut as the base's tokenizer cuts whole texts. Every batch depends on the seed, the step
and the process alone, so training resumes where it stopped.
"""

from __future__ import annotations

import bisect
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import torch
from tokenizers import Tokenizer
from torch import Tensor

from engine.training.adapt.settings import Noise, Settings, Shape
from engine.training.adapt.tokens import (
    DOCUMENT,
    END,
    FIRST_TEXT_TOKEN,
    MASK,
    PAD,
    SLACK,
    encode,
    open_end,
)
from engine.training.data import CHARACTERS_PER_TOKEN, Corpus, Cut, Share, choose_cut

DRAWS = 6  # of a canvas, before another chunk is taken
KEPT_WEIGHT = 0.1  # of slot tokens left clean, in the loss
LEAST_FOLLOWING = 8  # tokens, where a causal canvas has that many


@dataclass(frozen=True, slots=True)
class Batch:
    """B chunks of T tokens, K canvases of C tokens each."""

    chunk: Tensor  # [B, T]
    chunk_weight: Tensor  # [B, T] of predicting chunk[:, t] from what precedes it
    canvas: Tensor  # [B, K, C]
    start: Tensor  # [B, K] chunk tokens that precede the canvas
    place: Tensor  # [B, K, C] of each of its tokens, from there on
    causal: Tensor  # [B, K] True where the canvas is read causally
    target: Tensor  # [B, K, C] what the position's logits are to say
    weight: Tensor  # [B, K, C] 0 where they say nothing

    @property
    def positions(self) -> int:
        return self.chunk.numel() + self.canvas.numel()

    def to(self, device: torch.device) -> Batch:
        moved = (getattr(self, field.name).to(device, non_blocking=True) for field in fields(self))
        return Batch(*moved)


@dataclass(frozen=True, slots=True)
class _Pieces:
    """One canvas before noise, as ids; `before` it the chunk's token, if there is one."""

    start: int
    before: list[int]
    head: list[int]
    middle: list[int]
    following: list[int]


@dataclass(frozen=True, slots=True)
class _Row:
    """A canvas as it is read, and what it is to say: as in Batch."""

    start: int
    seen: list[int]
    place: list[int]
    target: list[int]
    weight: list[float]
    causal: bool


def batches(
    settings: Settings, tokenizer: Tokenizer, corpus: Corpus, first_step: int, share: Share
) -> Iterator[tuple[int, Batch]]:
    """(step, batch) from `first_step` on, without end, prepared one step ahead on a thread."""
    with ThreadPoolExecutor(1) as pool:
        step = first_step
        ahead = pool.submit(batch_of, settings, tokenizer, corpus, step, share)
        while True:
            ready = ahead.result()
            ahead = pool.submit(batch_of, settings, tokenizer, corpus, step + 1, share)
            yield step, ready
            step += 1


def batch_of(
    settings: Settings, tokenizer: Tokenizer, corpus: Corpus, step: int, share: Share
) -> Batch:
    """This process's part of the batch of `step`; all parts have one shape."""
    data = settings.data
    weights = [shape.weight for shape in data.shapes]
    shape = random.Random(f"{settings.seed}-{step}").choices(data.shapes, weights)[0]
    rng = random.Random(f"{settings.seed}-{step}-{share.rank}")
    cutter = _Cutter(settings, shape, tokenizer, corpus, rng)
    rows = [cutter.chunk() for _ in range(data.chunks // share.processes)]
    return _assemble(settings, shape, rows, rng)


class _Cutter:
    """Draws chunks, and cuts canvases from them."""

    def __init__(
        self,
        settings: Settings,
        shape: Shape,
        tokenizer: Tokenizer,
        corpus: Corpus,
        rng: random.Random,
    ) -> None:
        self.settings, self.data, self.shape = settings, settings.data, shape
        self.tokenizer, self.corpus, self.rng = tokenizer, corpus, rng
        self.words = range(FIRST_TEXT_TOKEN, tokenizer.get_vocab_size())

    def chunk(self) -> tuple[list[int], list[_Row]]:
        """Ids, and canvases."""
        data, rng, count = self.data, self.rng, self.shape.canvases
        size = self.shape.chunk_tokens
        while True:
            text = self.corpus.draw(rng)
            begin = 0
            if rng.random() >= data.file_start:
                last = max(1, len(text) - 3 * size)  # a chunk that is mostly padding teaches little
                begin = text.rfind("\n", 0, rng.randrange(last)) + 1
            encoding = encode(self.tokenizer, text[begin : begin + size * CHARACTERS_PER_TOKEN])
            lead = [DOCUMENT] if begin == 0 else []
            ids = (lead + encoding.ids)[:size]
            starts = [begin + start for start, _ in encoding.offsets][: size - len(lead)]
            found: list[_Row] = []
            while len(found) < count:
                index = len(found)
                parts = (len(starts) * part // count for part in (index, index + 1))
                most = reach(index, count, data.groups, size)
                canvas = self._canvas(text, ids, starts, (*parts,), most)
                if canvas is None:
                    break
                found.append(canvas)
            else:
                return ids, found

    def _canvas(
        self, text: str, ids: list[int], starts: list[int], part: tuple[int, ...], most: int
    ) -> _Row | None:
        """A canvas that begins in its `part` of the chunk, whose last `ids` begin at `starts`; None
        when a few draws give none."""
        for _ in range(DRAWS):
            begin, limit = starts[part[0]], starts[min(part[1], len(starts) - 1)]
            cut = choose_cut(text, begin, limit, self.shape.spans, self.rng)
            pieces = cut and self._pieces(text, ids, starts, cut)
            if not pieces or pieces.start > most:
                continue
            if self.rng.random() < self.settings.causal.share:
                row = _causal(self.shape, pieces, self.rng)
            else:
                row = _noised(self.settings.noise, self.shape, self.words, pieces, self.rng)
            if row is not None:
                return row
        return None

    def _pieces(self, text: str, ids: list[int], starts: list[int], cut: Cut) -> _Pieces | None:
        """None when the span fits no slot."""
        line = bisect.bisect_left(starts, text.rfind("\n", 0, cut.start) + 1)
        before = bisect.bisect_right(starts, cut.start) - 1
        first = max(0, min(line, before), before - self.data.head_tokens)
        taken = ""
        if self.rng.random() < self.data.healed:
            taken = open_end(self.tokenizer, text[starts[max(0, first - 1)] : cut.start])
        at = cut.start - len(taken)
        while first > 0 and starts[first] > at:
            first -= 1
        if starts[first] > at:
            return None
        room = self.shape.canvas_tokens * CHARACTERS_PER_TOKEN
        following = text[cut.end : cut.end + room]
        head, middle, after = (
            each.ids
            for each in self.tokenizer.encode_batch_fast(
                [text[starts[first] : at], text[at : cut.end], following],
                add_special_tokens=False,
            )
        )
        if len(middle) > self.shape.slot_tokens[-1] or len(head) > self.data.head_tokens + 4:
            return None
        if cut.end + len(following) == len(text):
            after = [*after, DOCUMENT]
        start = len(ids) - len(starts) + first
        return _Pieces(start, ids[max(0, start - 1) : start], head, middle, after)


def reach(index: int, canvases: int, groups: int, tokens: int) -> int:
    """How many of its chunk's tokens the canvas `index` may have before it.

    The canvases of a chunk start one in each of equal parts of it; what no canvas of a group can
    see, none of the group has to multiply.
    """
    return tokens * (index * groups // canvases + 1) // groups


def _causal(shape: Shape, pieces: _Pieces, rng: random.Random) -> _Row | None:
    """What follows; then the token before the head again, which tells of the first one, head,
    middle and its end, each predicted from what precedes it."""
    if not pieces.before:
        return None
    width = shape.canvas_tokens
    known = [*pieces.before, *pieces.head]
    written = [*known, *pieces.middle, END]
    room = width - len(written)
    if room < min(LEAST_FOLLOWING, len(pieces.following)):
        return None
    following = pieces.following[:room]
    behind = len(known) + _slot_size(shape, pieces, rng)
    place = [*range(behind, behind + len(following)), *range(len(written))]
    seen = [*following, *written]
    quiet = len(following) + len(known) - 1
    weight = [0.0] * quiet + [1.0] * (len(pieces.middle) + 1)
    spare = width - len(seen)
    return _Row(
        start=pieces.start - len(pieces.before),
        seen=seen + [PAD] * spare,
        place=place + [0] * spare,
        target=[*seen[1:], PAD] + [PAD] * spare,
        weight=weight + [0.0] * (width - len(weight)),
        causal=True,
    )


def _slot_size(shape: Shape, pieces: _Pieces, rng: random.Random) -> int:
    return rng.choice([size for size in shape.slot_tokens if size >= len(pieces.middle)])


def _noised(noise: Noise, shape: Shape, words: range, pieces: _Pieces, rng: random.Random) -> _Row:
    """The slot noised. In some canvases the text after it is noised too, at its exact length: most
    of a canvas would otherwise teach nothing."""
    size = _slot_size(shape, pieces, rng)
    clean = pieces.middle + [SLACK] * (size - len(pieces.middle))
    noised, weights = _noised_slot(noise, words, clean, len(pieces.middle), rng)
    left, width = len(pieces.head), shape.canvas_tokens
    seen = (pieces.head + noised + pieces.following)[:width]
    target = (pieces.head + clean + pieces.following)[:width]
    weight = [0.0] * left + weights + [0.0] * (width - left - size)
    if rng.random() < noise.around:
        share = rng.uniform(noise.around_least, noise.around_most)
        for place in range(left + size, len(seen)):
            if rng.random() < share:
                seen[place], weight[place] = MASK, 1.0
    spare = [PAD] * (width - len(seen))
    return _Row(
        start=pieces.start,
        seen=seen + spare,
        place=list(range(width)),
        target=target + spare,
        weight=weight,
        causal=False,
    )


def _noised_slot(
    noise: Noise, words: range, clean: list[int], length: int, rng: random.Random
) -> tuple[list[int], list[float]]:
    """What is seen of a slot whose first `length` tokens are text, and the weights of its tokens.

    Fills are resolved more or less from the left: there the next token matters most, and those far
    behind it can hardly be known yet.
    """
    patterns = {"whole": noise.whole, "left": noise.left, "scattered": noise.scattered}
    pattern = rng.choices(list(patterns), list(patterns.values()))[0]
    known = rng.randint(1, max(1, length)) if pattern == "left" else 0
    share = rng.uniform(noise.least, 1.0) if pattern == "scattered" else 1.0
    seen: list[int] = []
    weights: list[float] = []
    for place, token in enumerate(clean):
        # The first slack token says how long the text is; those after it count together as one.
        weight = 1.0 if place <= length else 1.0 / (len(clean) - length)
        if place < known or rng.random() >= share:
            seen.append(token)
            weights.append(weight * KEPT_WEIGHT)
            continue
        seen.append(MASK)
        if pattern == "scattered" and rng.random() < noise.random:
            seen[-1] = rng.choice(words)
        elif pattern != "scattered":
            weight *= max(noise.faintest, noise.fading ** (place - known))
        weights.append(weight)
    return seen, weights


def _assemble(
    settings: Settings, shape: Shape, rows: list[tuple[list[int], list[_Row]]], rng: random.Random
) -> Batch:
    chunk = torch.full((len(rows), shape.chunk_tokens), PAD)
    chunk_weight = torch.zeros(chunk.shape)
    for row, (ids, _) in enumerate(rows):
        chunk[row, : len(ids)] = torch.tensor(ids)
        scored = rng.sample(range(1, len(ids)), int(settings.data.scored * (len(ids) - 1)))
        chunk_weight[row, scored] = 1.0
    canvas, start, place, causal, target, weight = (
        torch.tensor([[getattr(canvas, name) for canvas in canvases] for _, canvases in rows])
        for name in ("seen", "start", "place", "causal", "target", "weight")
    )
    return Batch(chunk, chunk_weight, canvas, start, place, causal, target, weight)
