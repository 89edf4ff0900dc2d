"""The one chooser: of several candidates, and of several ways to clean each, what breaks least."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from engine.fill.structure import Surroundings
from lsp_server.gap import Gap
from lsp_server.suggest.clean import Cleaned, cleaned
from lsp_server.suggest.clean.pipeline import DISPUTABLE
from lsp_server.suggest.filled import as_filled, text_filled
from lsp_server.suggest.guard import Guard
from lsp_server.syntax.parsing import Parsing

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Candidate(Generic[T]):
    """What may be put in, and `text`, the document's text with it, as far as it is judged.

    `errors` are those that the parser finds in that text, where they are known already. `faults`
    count for the order, in place of the errors. Candidates with the same `key` come to the same.
    """

    what: T
    key: Hashable
    text: str
    confidence: float
    errors: int | None = None
    faults: int | None = None


@dataclass(frozen=True, slots=True)
class Judged(Generic[T]):
    """`faults` are what counts for the order; `breaks`: more errors than without it."""

    what: T
    faults: int
    breaks: bool
    confidence: float


@dataclass(frozen=True, slots=True)
class Chosen(Generic[T]):
    """The candidates that break nothing, and those that do."""

    sound: list[Judged[T]]
    broken: list[Judged[T]]


async def choose(
    candidates: AsyncIterator[Candidate[T]], guard: Guard, enough: int | None = None
) -> Chosen[T]:
    """Those with the fewest faults first; the earlier of two that are equal, with the higher
    confidence of those that come to the same.

    With `enough`, the candidates in the order given, until so many of them break nothing.
    """
    found: dict[Hashable, Judged[T]] = {}
    count = 0
    async for each in candidates:
        known = found.get(each.key)
        if known is not None:
            confidence = max(known.confidence, each.confidence)
            found[each.key] = replace(known, confidence=confidence)
            continue
        errors, breaks = await guard.judge(each.text, each.errors)
        faults = errors if each.faults is None else each.faults
        found[each.key] = Judged(each.what, faults, breaks, each.confidence)
        count += not breaks
        if count == enough:
            break
    judged = list(found.values())
    if enough is None:
        judged.sort(key=lambda each: each.faults)
    return Chosen(
        [each for each in judged if not each.breaks], [each for each in judged if each.breaks]
    )


async def best_by_hand(
    texts: Iterable[tuple[str, float]], gap: Gap, parsing: Parsing, **how: Any
) -> list[Judged[Cleaned]]:
    """What somebody who asks by hand gets of `texts`, each with its confidence, cleaned, the best
    first.

    They get what stands there, so what leaves the fewest errors comes first, in the parser's view
    and in that of engine/fill/structure.py, which also knows a block that lacks its body. Nothing
    of what breaks the file, or in a broken one what is touched, whatever may follow.
    """
    around = Surroundings((gap.prefix, gap.suffix), gap.document.language)

    async def candidates() -> AsyncIterator[Candidate[Cleaned]]:
        for text, confidence in texts:
            ways = ways_to_clean(text, gap, **how)
            way, errors = await best_way(ways, gap, parsing, finished=False)
            if way.text:
                faults = 0 if way.covers else around.faults((way.text,)).count
                # What has yet to be closed may follow, so it is judged as if it were there.
                filled, known = text_filled(gap, way), None if errors else 0
                yield Candidate(way, way.text, filled, confidence, known, errors + faults)

    return (await choose(candidates(), await guard_of(gap, parsing))).sound


async def first_sound(
    texts: Iterable[tuple[str, float]],
    gap: Gap,
    parsing: Parsing,
    most: int,
    is_wanted: Callable[[Cleaned], bool],
    **how: Any,
) -> list[Judged[Cleaned]]:
    """The first `most` of `texts`, cleaned, that are not empty, are wanted, and break nothing;
    where all of them break something, the first of these.

    What a fill has yet to close counts as closed, for somebody who is still typing, unless the
    file has no error without that.
    """

    async def candidates() -> AsyncIterator[Candidate[Cleaned]]:
        for text, confidence in texts:
            way, errors = await best_way(ways_to_clean(text, gap, **how), gap, parsing)
            if way.text and is_wanted(way):
                # What it opens may be closed already, by lines that stand below.
                if errors and await _is_sound(way, gap, parsing):
                    errors = 0
                yield Candidate(way, way.text, text_filled(gap, way), confidence, errors)

    chosen = await choose(candidates(), await guard_of(gap, parsing), most)
    return chosen.sound or chosen.broken[:1]


async def best_way(
    ways: Sequence[Cleaned], gap: Gap, parsing: Parsing, *, finished: bool = True
) -> tuple[Cleaned, int]:
    """The way to clean one text that leaves the fewest errors, and how many the file then has.
    Without a tree of the document, or in time, the first way.

    `finished`: what a fill has yet to close counts as closed.
    """
    if gap.tree is None or not any(way.text for way in ways):
        return ways[0], 0
    errors: list[int | None] = []
    for way in ways:
        if not way.text:  # the document as it is, unless that is the first way
            errors.append(gap.tree.errors() if errors else None)
            continue
        tree = await parsing.variant(as_filled(gap, way, finished=finished), gap.tree)
        errors.append(tree.errors() if tree is not None else None)
    return fewest(ways, errors, gap.tree.errors())


def ways_to_clean(
    text: str, gap: Gap, *, without: Collection[str] = (), **how: Any
) -> tuple[Cleaned, ...]:
    """`text` cleaned; where that took a cut that may be wrong, cleaned without such cuts; and
    cleaned of repetitions that may be chance. That may leave nothing."""
    found = [cleaned(text, gap, without=without, **how)]
    if not found[0].fired.isdisjoint(DISPUTABLE):
        found.append(cleaned(text, gap, without={*without, *DISPUTABLE}, **how))
    found.append(cleaned(text, gap, without=without, doubtful=True, **how))
    first, *others = dict.fromkeys(found)
    if not first.text:
        return (first, *(each for each in others if each.text))
    return (first, *(each for each in others if each.text != first.text))


async def _is_sound(way: Cleaned, gap: Gap, parsing: Parsing) -> bool:
    """Whether the file has no error with `way` in it and nothing else."""
    if gap.tree is None:
        return False
    tree = await parsing.variant(as_filled(gap, way, finished=False), gap.tree)
    return tree is not None and tree.errors() == 0


def fewest(
    ways: Sequence[Cleaned], errors: Sequence[int | None], before: int
) -> tuple[Cleaned, int]:
    """The way with the fewest errors, and their number; the earlier of two that are equal. One that
    was not parsed does not win. `before` is how many the file has now.

    Where the file has errors, nothing at all wins over a text that leaves them all, and may only
    repeat the line.
    """
    known = [
        (count, bool(before and ways[index].text), index)
        for index, count in enumerate(errors)
        if count is not None
    ]
    if not known:
        return ways[0], before
    count, _, index = min(known)
    return ways[index], count


async def guard_of(gap: Gap, parsing: Parsing) -> Guard:
    """Of what a fill of `gap` touches."""

    def plain(text: str) -> str:
        return text_filled(gap, Cleaned(text), finished=False)

    return await Guard.of(parsing, gap.document, gap.tree, ((gap.start, gap.end),), plain)
