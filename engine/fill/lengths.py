"""How long the holes may be, and the candidate canvases that are laid out for it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from engine.api import FillRequest, Shape
from engine.checkpoints.profile import Profile
from engine.denoise.canvas import Layout, lay_out
from engine.fill.constrained import Limits
from engine.fill.prompt import Prompt
from engine.fill.structure import LINE_BREAK

WIDTH_STEP = 16  # canvases are a multiple of it wide: a CPU is slow at the first of every width


def guess_shape(texts: tuple[str, ...]) -> Shape:
    """A block where a blank line stands for it, otherwise a line."""
    for before, after in pairwise(texts):
        line_so_far = LINE_BREAK.split(before)[-1]
        rest = LINE_BREAK.split(after, maxsplit=1)[0]
        if (
            line_so_far.strip()
            or rest.strip()
            or not before.rstrip().endswith((":", "{", "(", "["))
        ):
            return Shape.LINE
    return Shape.BLOCK


def hole_lengths(
    request: FillRequest,
    profile: Profile,
    prompt: Prompt,
    shape: Shape,
    drafts: Sequence[list[int]],
    limits: Limits | None = None,
) -> list[int]:
    """How many new tokens a hole may hold, one number per candidate, rising.

    The profile's lengths, as far as the request allows and the canvas has room; with the tokens of
    `drafts`, those that hold them; with `limits`, those that a text can have which they allow. None
    where several holes are so far apart that even the shortest length does not fit, or have no such
    length in common. Raises BadRequest where one of them has none.
    """
    known, limit = _known(profile, shape), _limit(request, profile, prompt)
    if limit < (1 if request.holes == 1 else min(request.max_tokens, known[0])):
        return []
    if limits is not None:
        known = _allowed(limits, known, limit, is_exact=profile.tokens.slack is None)
        if not known:
            return []
    lengths = [n for n in known if n <= limit] or [limit]
    count = len(lengths) + 1 if request.candidates is None else request.candidates
    if drafts:
        longest = max(
            len(ids) - seam.tokens for ids, seam in zip(drafts, prompt.seams, strict=True)
        )
        longest = max(1, min(limit, longest))  # of a longer draft, what fits
        exact = {longest} if profile.tokens.slack is None else set()
        return sorted(n for n in {*lengths, *exact} if n >= longest)[:count] or [longest]
    if profile.tokens.slack is not None:
        return lengths[-count:]  # slack makes a short fill of a long hole
    count = min(count, len(lengths))
    return [lengths[(2 * i + 1) * len(lengths) // (2 * count)] for i in range(count)]


def _allowed(limits: Limits, known: Sequence[int], most: int, *, is_exact: bool) -> list[int]:
    """Of the `known` lengths, rising, those that the holes can have; where `is_exact`, those that
    choices usually have; else all that they can have."""
    possible = limits.lengths(most)
    usual = limits.usual & possible if is_exact else set()
    return sorted(usual or possible.intersection(known) or possible)


def largest_hole(
    request: FillRequest, profile: Profile, prompt: Prompt, shape: Shape, lengths: Sequence[int]
) -> int:
    """How many new tokens a hole may come to hold that begins with one of `lengths`, where it can
    grow; else the largest of them."""
    if profile.tokens.expand is None:
        return max(lengths)
    return max(*lengths, min(_known(profile, shape)[-1], _limit(request, profile, prompt)))


def _known(profile: Profile, shape: Shape) -> list[int]:
    canvas = profile.canvas
    return sorted(canvas.line_tokens if shape is Shape.LINE else canvas.block_tokens)


def _limit(request: FillRequest, profile: Profile, prompt: Prompt) -> int:
    """The most new tokens for which each hole has room, as far as the request allows."""
    pinned = sum(map(len, [prompt.head, *prompt.between]))
    healed = sum(seam.tokens for seam in prompt.seams)
    room = (profile.canvas.width - pinned - healed) // request.holes
    return min(request.max_tokens, room)


def lay_out_candidates(
    prompt: Prompt, profile: Profile, lengths: Sequence[int], largest: int
) -> list[Layout]:
    """A candidate for each of `lengths`, which are known to fit, all of one width. On each there is
    room for holes of `largest` new tokens."""
    if not lengths:
        return []
    width = _width(prompt, profile, largest)
    holes = len(prompt.seams)
    layouts = [
        lay_out(
            prompt.head,
            prompt.between,
            prompt.suffix,
            [length + seam.tokens for seam in prompt.seams],
            # A hole that can grow keeps free what it may need.
            width if profile.tokens.expand is None else width - holes * (largest - length),
            eos=profile.tokens.eos,
            pad=profile.tokens.pad,
            end_of_text=prompt.end_of_text,
            padded=profile.canvas.padded,
        )
        for length in lengths
    ]
    return [layout for layout in layouts if layout is not None]


def _width(prompt: Prompt, profile: Profile, longest: int) -> int:
    """What holes of `longest` new tokens need, with as much of the suffix as the profile wants."""
    if profile.canvas.suffix_tokens is None:
        return profile.canvas.width
    pinned = sum(map(len, [prompt.head, *prompt.between])) + profile.canvas.suffix_tokens
    holes = sum(longest + seam.tokens for seam in prompt.seams)
    return min(profile.canvas.width, -(-(pinned + holes) // WIDTH_STEP) * WIDTH_STEP)
