"""Text around holes -> what is encoded before the canvas, and what is pinned on it.

The prompt ends at the start of the cursor's line, so that it does not change while the user types
on that line: its keys and values stay. The line so far is pinned on the canvas, in front of the
first hole, where the model reads it in both directions. What other files say comes before the
file's own text (engine/fill/segments.py).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Encoding, Tokenizer

from engine.api import Snippet
from engine.checkpoints.profile import Profile
from engine.fill.seams import Seam, Vocabulary
from engine.fill.segments import CHARACTERS_PER_TOKEN, plain, snippet_segments
from engine.models.family import Causal, Context

FOLLOWING_TOKENS = 48  # of what follows a gap, read by the causal pass
ANCHOR_TOKENS = 128  # a long prompt's start moves in steps of this many tokens


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request as ids: `ids` before the canvas, and on it `head`, the holes with `between` among
    them, and `suffix`.

    `texts` are the pinned texts (head, between, suffix); what a seam took is no longer in them.
    `end_of_text` says that nothing follows the suffix.
    """

    ids: list[int]
    head: list[int]
    between: list[list[int]]
    suffix: list[int]
    end_of_text: bool
    texts: tuple[str, ...]
    seams: tuple[Seam, ...]


def build_prompt(
    texts: tuple[str, ...],
    tokenizer: Tokenizer,
    profile: Profile,
    vocabulary: Vocabulary | None = None,
    context: Sequence[Snippet] = (),
) -> Prompt:
    """Split `texts` (n + 1 texts around n holes) into prompt, head, between and suffix.

    With a `vocabulary`, seams heal (engine/fill/seams.py). Of `context` the prompt has as much as
    the profile's `context_tokens` have room for.
    """
    head_start = start_of_head(texts[0], tokenizer, profile)
    reach = profile.canvas.width * CHARACTERS_PER_TOKEN
    pinned = [texts[0][head_start:], *texts[1:-1], texts[-1][:reach]]
    seams = [Seam()] * (len(texts) - 1)
    if vocabulary is not None:
        pinned, seams = heal_seams(
            pinned, tokenizer, vocabulary, right=profile.tokens.slack is None
        )
    head, *between, suffix = (encode(tokenizer, text) for text in pinned)
    other = ids_of_context(context, tokenizer, profile)
    own = profile.but(prompt_tokens=profile.canvas.prompt_tokens - len(other))
    return Prompt(
        ids=other + ids_before(texts[0][:head_start], tokenizer, own),
        head=head,
        between=between,
        suffix=suffix,
        end_of_text=len(texts[-1]) <= reach,
        texts=tuple(pinned),
        seams=tuple(seams),
    )


def start_of_head(prefix: str, tokenizer: Tokenizer, profile: Profile) -> int:
    """Where the line so far begins; of a line with more than `head_tokens` tokens, its last few.

    It is cut where one of its tokens begins. Tokens that share a character (an emoji's bytes) share
    its offset, so that the cut is never inside one.
    """
    start = max(prefix.rfind("\n"), prefix.rfind("\r")) + 1
    if profile.canvas.join_indent:
        line = prefix[start:]
        start += max(0, len(line) - len(line.lstrip(" \t")) - 1)
    # A line of a megabyte must not be tokenised for its last few tokens.
    start = max(start, len(prefix) - profile.canvas.head_tokens * CHARACTERS_PER_TOKEN)
    while True:
        # Again after each cut: what is left may be tokenised anew, into more tokens.
        encoding = encoding_of(tokenizer, prefix[start:])
        excess = len(encoding.ids) - profile.canvas.head_tokens
        if excess <= 0:
            return start
        start += max(1, encoding.offsets[excess][0])


def heal_seams(
    pinned: list[str], tokenizer: Tokenizer, vocabulary: Vocabulary, *, right: bool
) -> tuple[list[str], list[Seam]]:
    """What is left of the pinned texts, and what each hole took over."""
    pinned = list(pinned)
    seams = []
    for index in range(len(pinned) - 1):
        seam = Seam(
            _last_piece(pinned[index], tokenizer, vocabulary),
            _first_piece(pinned[index + 1], tokenizer, vocabulary) if right else "",
        )
        pinned[index] = pinned[index].removesuffix(seam.left)
        pinned[index + 1] = pinned[index + 1].removeprefix(seam.right)
        seams.append(seam)
    return pinned, seams


def ids_of_context(context: Sequence[Snippet], tokenizer: Tokenizer, profile: Profile) -> list[int]:
    """What other files say, with the start of a text before it; at most `context_tokens` ids, and
    at least one token fewer than the prompt may have."""
    bos = [profile.tokens.bos] if profile.tokens.bos is not None else []
    most = min(profile.canvas.context_tokens, profile.canvas.prompt_tokens - 1) - len(bos)
    if most < 1 or not context:
        return []
    segments = snippet_segments(context, most, lambda text: encode(tokenizer, text), plain)
    return bos + [id for each in segments for id in each.ids] if segments else []


def ids_before(before: str, tokenizer: Tokenizer, profile: Profile) -> list[int]:
    """At most `prompt_tokens` ids; a long text starts at a line that moves only now and then.

    Both cuts, of characters and then of tokens, move in steps as the text grows, so that most
    keystrokes leave the start alone and the cached keys and values stay of use.
    """
    budget = profile.canvas.prompt_tokens
    step = min(ANCHOR_TOKENS, max(1, budget // 4))
    excess = len(before) - budget * CHARACTERS_PER_TOKEN
    window = 0
    if excess > 0:
        step_characters = step * CHARACTERS_PER_TOKEN
        at = excess // step_characters * step_characters
        window = _line_start(before, at, at + step_characters) if at else 0
    encoding = encoding_of(tokenizer, before[window:])
    ids: list[int] = encoding.ids
    bos = [profile.tokens.bos] if profile.tokens.bos is not None and window == 0 else []
    excess = len(bos) + len(ids) - budget
    if excess <= 0:
        return bos + ids
    starts = [start for start, _ in encoding.offsets]
    first = -(-excess // step) * step
    if first + step < len(ids):
        line = _line_start(before, window + starts[first], window + starts[first + step])
        first = max(first, bisect_left(starts, line - window))
    while 0 < first < len(ids) and starts[first] == starts[first - 1]:
        first += 1  # inside a character
    return ids[first:]


def far_apart(texts: tuple[str, ...], profile: Profile) -> bool:
    """Whether no canvas holds the text between the holes: it is not worth encoding."""
    return sum(map(len, texts[1:-1])) > profile.canvas.width * CHARACTERS_PER_TOKEN


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """Ids of `text`, nothing added."""
    return encoding_of(tokenizer, text).ids


def encoding_of(tokenizer: Tokenizer, text: str) -> Encoding:
    """Ids and character offsets of `text`, nothing added."""
    return tokenizer.encode(well_formed(text), add_special_tokens=False)


def well_formed(text: str) -> str:
    """`text` with half an emoji, as an editor can send it, made into U+FFFD: same length."""
    return text.encode("utf-32", "surrogatepass").decode("utf-32", "replace")


def last_piece(encoding: Encoding, text: str) -> str:
    """The text of the last token of `text`, which `encoding` is of; "" without any."""
    return text[encoding.offsets[-1][0] :] if encoding.offsets else ""


@dataclass(frozen=True, slots=True)
class Lead:
    """Where a causal pass of head and fill begins: behind `context`, with `token` at position
    `place`, which predicts the first token of the head. `end` ends a fill; None where the model
    knows no such token."""

    token: int
    context: Context
    place: int
    end: int | None = None


def lead_of(
    prompt: Prompt, profile: Profile, cache: Context, causal: Causal[Any], behind: int
) -> Lead:
    """The lead behind the prompt, all of which `cache` holds: its last token, whose position is
    computed again. A pass that was taught to fill has read what follows the gap, which stands
    `behind` so many tokens of the longest canvas."""
    tokens = profile.tokens
    first = tokens.bos if tokens.bos is not None else tokens.pad
    token = prompt.ids[-1] if prompt.ids else first
    context, place = read_ahead(following_of(prompt, profile), behind, cache, causal)
    return Lead(token, context, place, tokens.fill_end)


def read_ahead(
    following: Sequence[int], behind: int, cache: Context, causal: Causal[Any]
) -> tuple[Context, int]:
    """The context of the prompt in `cache` but for its last token, with what follows the gap, which
    stands `behind` so many tokens of a canvas; and the position of that last token."""
    place = max(0, cache.length - 1)
    context = cache.crop(place)
    if following:
        ids = torch.tensor(following, device=causal.device)
        context = causal.read_ahead(ids, place + 1 + behind, context)
    return context, place


def following_of(prompt: Prompt, profile: Profile) -> list[int]:
    """What a causal pass that was taught to fill reads ahead."""
    tokens = profile.tokens
    if tokens.fill_end is None:
        return []
    last = [tokens.eos] if prompt.end_of_text and tokens.eos is not None else []
    return [*prompt.suffix, *last][:FOLLOWING_TOKENS]


def _last_piece(text: str, tokenizer: Tokenizer, vocabulary: Vocabulary) -> str:
    """The last token's text, if the hole after it is to take it over."""
    piece = last_piece(encoding_of(tokenizer, text), text)
    return piece if vocabulary.beginning(piece) else ""


def _first_piece(text: str, tokenizer: Tokenizer, vocabulary: Vocabulary) -> str:
    """The first token's text, if the hole before it is to take it over."""
    offsets = encoding_of(tokenizer, text).offsets
    piece = text[: offsets[0][1]] if offsets else ""
    return piece if vocabulary.ending(piece) else ""


def _line_start(text: str, at: int, limit: int) -> int:
    """The first line start after `at` and up to `limit`, or `at`."""
    found = text.find("\n", at, limit)
    return found + 1 if found >= 0 else at
