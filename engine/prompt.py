"""Text around holes -> what is encoded before the canvas, and what is pinned on it.

The prompt ends at the start of the cursor's line, so that it does not change while the user types
on that line: its keys and values stay. The line so far is pinned on the canvas, in front of the
first hole, where the model reads it in both directions and a cursor inside a word or token is no
special case.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from tokenizers import Tokenizer

from engine.profile import Profile

CHARACTERS_PER_TOKEN = 8  # more than any slice of code has on average: enough text to fill a budget
ANCHOR_TOKENS = 128  # a long prompt's start moves in steps of this many tokens

WORD_END = re.compile(r"\w+\Z")
WORD_START = re.compile(r"\A\w+")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request as ids. `between` lies between neighbouring holes.

    `healed_left` and `healed_right` are pieces of words that were taken from the pinned text and
    that the holes' text must begin and end with.
    """

    ids: list[int]
    head: list[int]
    between: list[list[int]]
    suffix: list[int]
    end_of_text: bool
    head_text: str
    suffix_text: str
    healed_left: str = ""
    healed_right: str = ""


def build_prompt(texts: tuple[str, ...], tokenizer: Tokenizer, profile: Profile) -> Prompt:
    """Split `texts` (n + 1 texts around n holes) into prompt, head, between and suffix."""
    prefix, suffix = texts[0], texts[-1]
    healed_left = healed_right = ""
    if profile.heal:
        healed_left = _match(WORD_END, prefix)
        healed_right = _match(WORD_START, suffix)
        prefix = prefix[: len(prefix) - len(healed_left)]
        suffix = suffix[len(healed_right) :]
    before, head_text = _split_head(prefix, tokenizer, profile)
    reach = profile.canvas_tokens * CHARACTERS_PER_TOKEN
    suffix_text = suffix[:reach]
    suffix_ids = encode(tokenizer, suffix_text)
    return Prompt(
        ids=_prompt_ids(before, tokenizer, profile),
        head=encode(tokenizer, head_text),
        between=[encode(tokenizer, text) for text in texts[1:-1]],
        suffix=suffix_ids,
        end_of_text=len(suffix) <= reach,
        head_text=head_text,
        suffix_text=suffix_text,
        healed_left=healed_left,
        healed_right=healed_right,
    )


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """Ids of `text`, nothing added."""
    ids: list[int] = tokenizer.encode(well_formed(text), add_special_tokens=False).ids
    return ids


def well_formed(text: str) -> str:
    """`text` with half an emoji, as an editor can send it, made into U+FFFD: same length."""
    return text.encode("utf-32", "surrogatepass").decode("utf-32", "replace")


def _match(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found.group() if found else ""


def _split_head(prefix: str, tokenizer: Tokenizer, profile: Profile) -> tuple[str, str]:
    """The text to encode causally, and the line so far: at most `head_tokens` tokens of it.

    A longer line is cut where one of its tokens begins.
    """
    line_start = max(prefix.rfind("\n"), prefix.rfind("\r")) + 1
    # A line of a megabyte must not be tokenised for its last few tokens.
    reach = profile.head_tokens * CHARACTERS_PER_TOKEN
    window = max(line_start, len(prefix) - reach)
    line = prefix[window:]
    encoding = tokenizer.encode(well_formed(line), add_special_tokens=False)
    if window == line_start and len(encoding.ids) <= profile.head_tokens:
        return prefix[:line_start], line
    # Tokens that share a character (an emoji's bytes) share its offset: a cut is never inside one.
    first = window + encoding.offsets[max(0, len(encoding.ids) - profile.head_tokens)][0]
    return prefix[:first], prefix[first:]


def _prompt_ids(before: str, tokenizer: Tokenizer, profile: Profile) -> list[int]:
    """At most `prompt_tokens` ids; a long text starts at a line that moves only now and then."""
    budget = profile.prompt_tokens
    reach = budget * CHARACTERS_PER_TOKEN
    # The window's start is tied to the text, not to its end, so that typing does not move it.
    window = 0
    if len(before) > reach:
        step = ANCHOR_TOKENS * CHARACTERS_PER_TOKEN
        window = (len(before) - reach) // step * step
        window = before.find("\n", window) + 1 or window
    encoding = tokenizer.encode(well_formed(before[window:]), add_special_tokens=False)
    ids: list[int] = encoding.ids
    bos = [profile.bos] if profile.bos is not None else []
    if window == 0 and len(ids) + len(bos) <= budget:
        return bos + ids
    excess = max(0, len(ids) - budget)
    anchored = -(-excess // ANCHOR_TOKENS) * ANCHOR_TOKENS
    starts = [start for start, _ in encoding.offsets]
    line = before.find("\n", window + starts[anchored]) + 1 if anchored else window
    first = bisect_right(starts, line - window - 1) if line > window else anchored
    return ids[first:] if first < len(ids) else ids[anchored:]
