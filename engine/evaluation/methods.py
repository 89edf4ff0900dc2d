"""How a gap is filled: as in use, by the model alone, checked by a parser, or with its length fixed
or given by an oracle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from engine.api import Fill, FillRequest, Proposal, Shape, Snippet
from engine.checkpoints.profile import Profile
from engine.evaluation.exactness import Parses, is_exact, is_grammatical
from engine.evaluation.items import Item
from engine.evaluation.repositories import Around
from engine.fill.candidates import Candidate
from engine.fill.infill import LocalEngine, Rolled
from engine.fill.prompt import encode

SEARCHED, ALONE, CHECKED, ANY = "searched", "alone", "checked", "any"
FIXED, ORACLE, TOGETHER = "fixed", "oracle", "together"
OF_CANDIDATES = (SEARCHED, ALONE, CHECKED, ANY)
METHODS = (*OF_CANDIDATES, FIXED, ORACLE, TOGETHER)
MOST = 256  # tokens of a gap

# What an editor puts into an item's gap, with its confidence, of the texts that a model offers with
# theirs, the best first.
Offered = tuple[str, float]
Editor = Callable[[Item, Sequence[Offered]], Offered]


class Filler:
    """A model that fills an item's gap by one of METHODS."""

    def __init__(
        self,
        engine: LocalEngine,
        steps: int | None = None,
        parser: Parses | None = None,
        editor: Editor | None = None,
    ) -> None:
        self._engine, self._steps, self._parser, self._editor = engine, steps, parser, editor
        self._profile = engine.profile
        self._last: tuple[Item, Rolled, Fill] | None = None

    def fill(self, item: Item, method: str) -> Fill:
        """`searched` is the engine's answer. Of the same candidates, `alone` is the best that the
        model wrote itself, looking nothing up, and `checked` what `editor` puts into the gap, or
        without one the first with which the file parses; `any` knows the solution, and takes it
        where it is among them: what a better ranking could reach. `oracle` has as many tokens as
        the solution, `fixed` the middle one of the lengths that the profile searches, each in a
        single candidate. `together` fills both gaps of a pair, this one and the one beside it."""
        if method == TOGETHER:
            return self._together(item)
        if method in OF_CANDIDATES:
            return self._of_candidates(item, method)
        length = fixed_length(self._profile, item.block)
        if method == ORACLE:
            length = max(1, min(MOST, len(encode(self._engine.tokenizer, item.solution))))
        self._engine.profile = self._profile.but(line_tokens=(length,), block_tokens=(length,))
        try:
            request = replace(request_for(item, self._steps), max_tokens=length, candidates=1)
            return self._engine.fill(request)
        finally:
            self._engine.profile = self._profile

    def _of_candidates(self, item: Item, method: str) -> Fill:
        if self._last is None or self._last[0] is not item:
            self._last = (item, *self._roll(item))
        _, rolled, fill = self._last
        if method == SEARCHED:
            return fill
        if method == CHECKED and self._editor is not None:
            offered = [(each.texts[0], self._confidence(each)) for each in rolled.candidates]
            text, confidence = self._editor(item, offered)
            return replace(fill, texts=(text,), confidence=confidence)
        chosen = self._choose(item, method, rolled)
        if chosen is None:
            return replace(fill, texts=("",), confidence=0.0)
        return replace(fill, texts=chosen.texts, confidence=self._confidence(chosen))

    def _together(self, item: Item) -> Fill:
        assert item.beside is not None, "a gap of a pair"
        whole, (start, end) = item.prefix + item.solution + item.suffix, item.beside
        own = (len(item.prefix), len(item.prefix) + len(item.solution))
        gaps = sorted((own, (start, end)))
        texts = (whole[: gaps[0][0]], whole[gaps[0][1] : gaps[1][0]], whole[gaps[1][1] :])
        fill = self._engine.fill(replace(request_for(item, self._steps), texts=texts))
        return replace(fill, texts=(fill.texts[gaps.index(own)],))

    def _choose(self, item: Item, method: str, rolled: Rolled) -> Candidate | None:
        if method == ALONE:
            return written_alone(rolled, self._profile)

        def is_right(each: Candidate) -> bool:
            if method == ANY:
                return is_exact(item, each.texts[0])
            whole = item.prefix + each.texts[0] + item.suffix
            return is_grammatical(item.language, whole, self._parser) is not False

        return next(filter(is_right, rolled.candidates), rolled.candidates[0])

    def _confidence(self, candidate: Candidate) -> float:
        """Its own: what is judged is the text that is shown."""
        return candidate.confidence(self._profile)

    def _roll(self, item: Item) -> tuple[Rolled, Fill]:
        started = perf_counter()
        rolled = self._engine.roll(request_for(item, self._steps))
        assert rolled is not None, "one hole is on one canvas"
        return rolled, replace(self._engine.fill_of(rolled), seconds=perf_counter() - started)


class FillerInRepository:
    """A model that fills an item's gap with what `around` finds in the repository that is in
    `data`, by each of `ways`.

    Ways that let the model read the same are told apart by what they propose, of the same
    candidates: an item is filled once for all of them. The seconds of a fill are those of finding
    what the way needs and of filling.
    """

    def __init__(
        self,
        engine: LocalEngine,
        around: Around,
        data: Path,
        ways: Sequence[str],
        steps: int | None = None,
    ) -> None:
        self._engine, self._around, self._data, self._ways = engine, around, data, tuple(ways)
        self._steps = steps
        self._item: Item | None = None
        self._found: dict[str, _Around] = {}
        self._rolls: dict[tuple[Snippet, ...], tuple[Rolled, float]] = {}

    def fill(self, item: Item, method: str) -> Fill:
        if self._item is not item:
            self._item, self._rolls = item, {}
            self._found = {way: self._look(item, way) for way in self._ways}
        found = self._found[method]
        rolled, seconds = self._rolled(item, found.context)
        ranked = _with_proposals(rolled, found.proposals, self._engine.profile)
        if not ranked:
            fill = Fill(("",), 0.0, rolled.steps, rolled.canvas_tokens, 0.0)
        else:
            fill = self._engine.fill_of(replace(rolled, candidates=ranked))
        return replace(fill, seconds=found.seconds + seconds)

    def _look(self, item: Item, way: str) -> _Around:
        started = perf_counter()
        context, proposals = self._around(self._data, item, way)
        return _Around(tuple(context), tuple(proposals), perf_counter() - started)

    def _rolled(self, item: Item, context: tuple[Snippet, ...]) -> tuple[Rolled, float]:
        if context not in self._rolls:
            alike = [each for each in self._found.values() if each.context == context]
            proposals = dict.fromkeys(each for one in alike for each in one.proposals)
            request = request_for(item, self._steps, context, tuple(proposals))
            started = perf_counter()
            # A window for each: what one has read is not kept for the next, which would be faster.
            rolled = self._engine.roll(request, window=str(hash(context)))
            assert rolled is not None, "one hole is on one canvas"
            self._rolls[context] = rolled, perf_counter() - started
        return self._rolls[context]


@dataclass(frozen=True, slots=True)
class _Around:
    context: tuple[Snippet, ...]
    proposals: tuple[Proposal, ...]
    seconds: float


def _with_proposals(
    rolled: Rolled, proposals: Sequence[Proposal], profile: Profile
) -> list[Candidate]:
    """The candidates that there are with these proposals and no others, the best first."""
    texts = {each.text for each in proposals}
    ranked = []
    for each in rolled.candidates:
        if each.texts[0] in texts:
            ranked.append(each)
        elif each.log_probability is not None or each.evidence.times:
            evidence = replace(each.evidence, proposed_match=0, proposed_times=0)
            ranked.append(replace(each, evidence=evidence, score=evidence.score(profile)))
    return sorted(ranked, key=lambda each: each.score, reverse=True)


def request_for(
    item: Item,
    steps: int | None = None,
    context: tuple[Snippet, ...] = (),
    proposals: tuple[Proposal, ...] = (),
) -> FillRequest:
    return FillRequest(
        texts=(item.prefix, item.suffix),
        language=item.language,
        shape=Shape.BLOCK if item.block else Shape.LINE,
        max_tokens=MOST,
        steps=steps,
        path=item.path or None,
        context=context,
        proposals=proposals,
    )


def written_alone(rolled: Rolled, profile: Profile) -> Candidate | None:
    """The best of the candidates that the model wrote itself, wherever else they may stand."""
    written = [each for each in rolled.candidates if each.log_probability is not None]

    def score(each: Candidate) -> float:
        alone = replace(each.evidence, match=0, times=0, proposed_match=0, proposed_times=0)
        return alone.score(profile)

    return max(written, key=score, default=None)


def fixed_length(profile: Profile, block: bool) -> int:
    lengths = sorted(profile.canvas.block_tokens if block else profile.canvas.line_tokens)
    return lengths[len(lengths) // 2]
