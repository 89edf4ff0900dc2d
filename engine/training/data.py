"""Source text in infill form: chunks, and canvases with a noised slot cut from them.

A canvas is laid out as it is when filling (see engine/denoise/canvas.py): the cursor's line so far,
the slot (what was cut out, then <del> to its end), the text that follows, and at the end of a file
<eos> and padding. The three are encoded apart, so that a cut inside a word is learned as such.
Every batch depends on the seed and its step alone: training resumes where it stopped.
"""

from __future__ import annotations

import bisect
import random
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import torch
from tokenizers import Tokenizer

from engine.evaluation.splits import Split, split_of
from engine.fill.brackets import CLOSING
from engine.models.training import reach
from engine.training.objective import Batch
from engine.training.settings import Settings
from engine.training.source import read_sources

PAD, EOS, BOS, MASK, DEL = 0, 1, 2, 4, 5
FIRST_TEXT_TOKEN = 16
LONGEST_NODE = 300  # characters between two brackets
PAUSE = re.compile(r"[=:,>] |[(\[{.]|\b(?:return|import|from|if|in|new|not|and|or|else|await) ")
CLOSERS_AND_ENDS = ")]}:;,"
DRAWS = 6  # of a canvas, before another chunk is taken
CHARACTERS_PER_TOKEN = 5  # more than nearly any text has: slices hold enough to fill a chunk


@dataclass(frozen=True, slots=True)
class Cut:
    """Characters `start` to `end` of a text, to be cut out."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Pieces:
    """One canvas before noise, as ids."""

    start: int  # chunk tokens before the canvas
    head: list[int]
    middle: list[int]
    suffix: list[int]


@dataclass(frozen=True, slots=True)
class Share:
    """Which of several training processes this is; each prepares its part of every batch."""

    rank: int = 0
    processes: int = 1


class Corpus:
    """The texts of a `.jsonl` file. A draw chooses a language by its weight, then a text with a
    probability proportional to its length.

    `weights` of languages that the file has not are ignored; without any, the languages weigh what
    they hold. With a `split`, texts of its packages alone.
    """

    def __init__(
        self,
        path: Path,
        weights: Mapping[str, float] | None = None,
        split: Split | None = None,
    ) -> None:
        texts: dict[str, list[str]] = {}
        for source in read_sources(path):
            if split is None or split_of(source.package) == split:
                texts.setdefault(source.language, []).append(source.text)
        chosen = [name for name in sorted(texts) if weights is None or weights.get(name)]
        if not chosen:
            raise ValueError(f"{path} holds no text of {', '.join(weights or ())}")
        self._languages = chosen
        self._texts = [texts[name] for name in chosen]
        self._ends = [list(accumulate(map(len, group))) for group in self._texts]
        sizes = [ends[-1] for ends in self._ends]
        self._shares = sizes if weights is None else [weights[name] for name in chosen]

    def draw(self, rng: random.Random) -> str:
        return self.draw_with_language(rng)[1]

    def draw_with_language(self, rng: random.Random) -> tuple[str, str]:
        group = 0
        if len(self._texts) > 1:
            group = rng.choices(range(len(self._texts)), self._shares)[0]
        ends = self._ends[group]
        text = self._texts[group][bisect.bisect_right(ends, rng.randrange(ends[-1]))]
        return self._languages[group], text


def batches(
    settings: Settings, tokenizer: Tokenizer, corpus: Corpus, first_step: int, share: Share
) -> Iterator[tuple[int, Batch]]:
    """(step, batch) from `first_step` to the last, prepared one step ahead on a thread."""
    last = settings.schedule.steps
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(batch_of, settings, tokenizer, corpus, first_step, share)
        for step in range(first_step, last):
            ready = ahead.result()
            if step + 1 < last:
                ahead = pool.submit(batch_of, settings, tokenizer, corpus, step + 1, share)
            yield step, ready


def is_causal(settings: Settings, step: int) -> bool:
    """Whether `step` trains on chunks alone."""
    return step < settings.schedule.causal_share * settings.schedule.steps


def batch_of(
    settings: Settings, tokenizer: Tokenizer, corpus: Corpus, step: int, share: Share
) -> Batch:
    """This process's part of the batch of `step`."""
    rng = random.Random(f"{settings.seed}-{step}-{share.rank}")
    causal = is_causal(settings, step)
    total = settings.schedule.causal_chunks if causal else settings.data.chunks
    count = total // share.processes
    rows = [_chunk(settings, tokenizer, corpus, rng, canvases=not causal) for _ in range(count)]
    return _assemble(settings, rows, rng)


def _chunk(
    settings: Settings, tokenizer: Tokenizer, corpus: Corpus, rng: random.Random, *, canvases: bool
) -> tuple[list[int], list[Pieces]]:
    data = settings.data
    while True:
        text = corpus.draw(rng)
        begin = 0
        if rng.random() >= data.file_start:
            begin = text.rfind("\n", 0, rng.randrange(len(text))) + 1
        reach = begin + data.chunk_tokens * CHARACTERS_PER_TOKEN
        encoding = tokenizer.encode(text[begin:reach], add_special_tokens=False)
        bos = [BOS] if begin == 0 else []
        ids = (bos + encoding.ids)[: data.chunk_tokens]
        if not canvases:
            return ids, []
        starts = [begin + start for start, _ in encoding.offsets]
        found: list[Pieces] = []
        while len(found) < data.canvases:
            pieces = _canvas(settings, tokenizer, text, starts, len(bos), len(found), rng)
            if pieces is None:
                break
            found.append(pieces)
        else:
            return ids, found


def _canvas(
    settings: Settings,
    tokenizer: Tokenizer,
    text: str,
    starts: list[int],
    bos: int,
    index: int,
    rng: random.Random,
) -> Pieces | None:
    """The canvas `index` of a chunk, from its own part of it; None when a few draws give none."""
    data = settings.data
    length = min(len(starts), data.chunk_tokens - bos)
    first, last = (length * part // data.canvases for part in (index, index + 1))
    most = reach(index, data.canvases, data.chunk_tokens)
    for _ in range(DRAWS):
        cut = choose_cut(text, starts[first], starts[min(last, length - 1)], data.spans, rng)
        pieces = cut and _pieces(settings, tokenizer, text, starts, bos, cut)
        if pieces and pieces.start <= most:
            return pieces
    return None


def choose_cut(
    text: str, begin: int, limit: int, spans: dict[str, float], rng: random.Random
) -> Cut | None:
    """A span to cut out that starts between `begin` and `limit`; None when the draw is no use."""
    at = rng.randrange(begin, max(limit, begin + 1))
    line_start = text.rfind("\n", 0, at) + 1
    line_end = _line_end(text, at)
    line = text[line_start:line_end]
    code_start = line_start + len(line) - len(line.lstrip())
    if not line.strip():
        return None
    kind = rng.choices(list(spans), weights=list(spans.values()))[0]
    if kind == "rest_of_line":
        return Cut(_cursor(text, code_start, line_end, rng), line_end)
    if kind == "whole_line":
        return Cut(code_start if rng.random() < 0.75 else line_start, line_end)
    if kind == "lines":
        end = line_end
        for _ in range(rng.randint(1, 4)):
            end = _line_end(text, end + 1) if end < len(text) else end
        return Cut(code_start if rng.random() < 0.75 else line_start, end)
    if kind == "within_line":
        first, second = sorted(_cursor(text, code_start, line_end, rng) for _ in range(2))
        return Cut(first, second) if first < second else None
    if kind == "pause":
        return _pause(text, code_start, line_end, rng)
    if kind == "bracketed":
        return _bracketed(text, code_start, line_end, rng)
    at = _cursor(text, code_start, line_end + 1, rng)
    return Cut(at, at)


def _pause(text: str, start: int, end: int, rng: random.Random) -> Cut | None:
    """From behind a sign at which people pause while they type, to the line's end; or, as editors
    close brackets by themselves, to the closers at its end."""
    stops = [found.end() for found in PAUSE.finditer(text, start, end) if found.end() < end]
    if not stops:
        return None
    at = rng.choice(stops)
    if rng.random() < 0.35:
        last = len(text[at:end].rstrip(CLOSERS_AND_ENDS)) + at
        return Cut(at, last if last > at else end)
    return Cut(at, end)


def _bracketed(text: str, start: int, end: int, rng: random.Random) -> Cut | None:
    """What stands between two brackets, the first of which is in [start, end): a node of the syntax
    in any language, told without its grammar."""
    openers = [at for at in range(start, end) if text[at] in CLOSING]
    if not openers:
        return None
    first = rng.choice(openers)
    opener, closer, depth = text[first], CLOSING[text[first]], 0
    for at in range(first, min(len(text), first + LONGEST_NODE)):
        depth += (text[at] == opener) - (text[at] == closer)
        if not depth:
            return Cut(first + 1, at) if at > first + 1 else None
    return None


def _cursor(text: str, start: int, end: int, rng: random.Random) -> int:
    """Somewhere in [start, end), half of the time where a word or a sign begins."""
    at = rng.randrange(start, max(end, start + 1))
    if rng.random() < 0.5:
        while start < at < end and text[at].isalnum() and text[at - 1].isalnum():
            at -= 1
    return at


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _pieces(
    settings: Settings, tokenizer: Tokenizer, text: str, starts: list[int], bos: int, cut: Cut
) -> Pieces | None:
    """None when the span fits no slot."""
    data = settings.data
    first = _head_start(data.head_tokens, tokenizer, text, starts, cut.start)
    if first is None or first + bos > data.chunk_tokens:
        return None
    follows = text[cut.end : cut.end + data.canvas_tokens * CHARACTERS_PER_TOKEN]
    head, middle, suffix = (
        encoding.ids
        for encoding in tokenizer.encode_batch_fast(
            [text[min(starts[first], cut.start) : cut.start], text[cut.start : cut.end], follows],
            add_special_tokens=False,
        )
    )
    if len(middle) > data.slot_tokens[-1]:
        return None
    if cut.end + len(follows) == len(text):
        suffix = [*suffix, EOS]
    return Pieces(first + bos, head, middle, suffix)


def _head_start(
    most: int, tokenizer: Tokenizer, text: str, starts: list[int], cut: int
) -> int | None:
    """The chunk token that the head before `cut` begins with, None if the cut is past the chunk.

    The head is the line so far; of more than `most` tokens it is the last few, as when filling (see
    engine/fill/prompt.py): cut where a token begins, and again where what is left is more tokens
    anew.
    """
    line_start = text.rfind("\n", 0, cut) + 1
    before_cut = bisect.bisect_right(starts, cut) - 1
    first = max(bisect.bisect_left(starts, line_start), before_cut - most, 0)
    while first < len(starts):
        head = tokenizer.encode(text[min(starts[first], cut) : cut], add_special_tokens=False)
        if len(head.ids) <= most:
            return first
        first += len(head.ids) - most
    return None


def _assemble(
    settings: Settings, rows: list[tuple[list[int], list[Pieces]]], rng: random.Random
) -> Batch:
    data = settings.data
    length = data.chunk_tokens
    chunk = torch.zeros(len(rows), length, dtype=torch.long)
    chunk_weight = torch.zeros(len(rows), length)
    for row, (ids, _) in enumerate(rows):
        chunk[row, : len(ids)] = torch.tensor(ids)
        chunk_weight[row, : len(ids)] = 1.0
    canvases = [[_noised(settings, pieces, rng) for pieces in row] for _, row in rows]
    start = torch.tensor([[pieces.start for pieces in row] for _, row in rows])
    if not canvases[0]:
        empty = torch.zeros(len(rows), 0, 0, dtype=torch.long)
        return Batch(chunk, chunk_weight, empty, start.long(), empty, empty.float(), empty.bool())
    canvas, target, weight, pinned = (
        torch.tensor([[parts[field] for parts in row] for row in canvases]) for field in range(4)
    )
    return Batch(chunk, chunk_weight, canvas, start, target, weight, pinned.bool())


def _noised(
    settings: Settings, pieces: Pieces, rng: random.Random
) -> tuple[list[int], list[int], list[float], list[int]]:
    """Of every canvas position: what is seen, what is true, its weight in the loss, its pin.

    The slot is noised. In some canvases the text after it is noised too, at its exact length: most
    of a canvas would otherwise teach nothing.
    """
    data, noise = settings.data, settings.noise
    roomy = [size for size in data.slot_tokens if size >= len(pieces.middle)]
    size = rng.choice(roomy) if data.slack else max(1, len(pieces.middle))
    clean = pieces.middle + [DEL] * (size - len(pieces.middle))
    seen, weights = _noised_slot(settings, clean, len(pieces.middle), rng)
    left, width = len(pieces.head), data.canvas_tokens
    canvas = (pieces.head + seen + pieces.suffix)[:width]
    target = (pieces.head + clean + pieces.suffix)[:width]
    pinned = [1] * left + [0] * size + [1] * (width - left - size)
    scores = [0.0] * left + weights + [0.0] * (width - left - size)
    if rng.random() < noise.around:
        share = rng.uniform(noise.around_least, noise.around_most)
        for place in range(left + size, len(canvas)):
            if rng.random() < share:
                canvas[place], pinned[place], scores[place] = MASK, 0, 1.0
    spare = width - len(canvas)
    return canvas + [PAD] * spare, target + [PAD] * spare, scores, pinned


def _noised_slot(
    settings: Settings, clean: list[int], length: int, rng: random.Random
) -> tuple[list[int], list[float]]:
    """What is seen of a slot whose first `length` tokens are text, and the weights of its tokens.

    Fills are resolved more or less from the left: there the next token matters most, and those far
    behind it can hardly be known yet.
    """
    noise = settings.noise
    pattern = rng.choices(
        ("whole", "left", "scattered"), (noise.whole, noise.left, noise.scattered)
    )[0]
    known = rng.randint(1, max(1, length)) if pattern == "left" else 0
    share = rng.uniform(noise.least, 1.0) if pattern == "scattered" else 1.0
    high = settings.model["vocab_size"] - 1
    seen: list[int] = []
    weights: list[float] = []
    for place, token in enumerate(clean):
        # The first <del> says how long the text is; those after it count together as one token.
        weight = 1.0 if place <= length else 1.0 / (len(clean) - length)
        if place < known or rng.random() >= share:
            seen.append(token)
            weights.append(weight * noise.kept_weight)
            continue
        if pattern == "scattered":
            wrong = rng.random() < noise.random
            seen.append(rng.randint(FIRST_TEXT_TOKEN, high) if wrong else MASK)
        else:
            seen.append(MASK)
            weight *= max(noise.faintest, noise.fading ** (place - known))
        weights.append(weight)
    return seen, weights
