"""Which candidate a code action puts in: the best that breaks nothing, and where the model is not
confident of that, the one that the user picks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import islice

from lsprotocol import types as t
from pygls.exceptions import JsonRpcException

from engine.api import Draft, Fill
from lsp_server.holes.hole import Plan
from lsp_server.protocol import failed
from lsp_server.session import Session
from lsp_server.suggest.choose import Candidate, choose
from lsp_server.suggest.guard import Guard

log = logging.getLogger(__name__)

MOST_JUDGED = 24
LONGEST_TITLE = 60
# Seconds for the user's choice: an editor may show nothing else of ours meanwhile.
PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Choice:
    """What becomes of each hole, "" for one that stays, and the confidence of that candidate."""

    texts: tuple[str, ...]
    confidence: float

    @property
    def title(self) -> str:
        """The first line of each hole's text, and the confidence in percent."""
        parts = []
        for text in self.texts:
            first, *more = text.strip().splitlines() or [""]
            parts.append(f"{first.strip()} …" if more else first.strip())
        whole = " · ".join(part for part in parts if part)
        if len(whole) > LONGEST_TITLE:
            whole = whole[: LONGEST_TITLE - 1].rstrip() + "…"
        return f"{whole} ({self.confidence:.0%})"


@dataclass(frozen=True, slots=True)
class Choices:
    """`sound` are those that break nothing, the best first; `broken` is how many others change
    anything; `shown` is what the last draft would have put in, where there was one."""

    sound: tuple[Choice, ...] = ()
    broken: int = 0
    shown: tuple[str, ...] | None = None


async def choices_of(
    session: Session, plan: Plan, fill: Fill, last: Draft | None = None
) -> Choices:
    """The candidates of `fill` that change something, the fewest errors first, as they would be put
    in. Of several that come to the same, the confidence is that of the likeliest."""
    guard = await guard_of(session, plan)

    async def candidates() -> AsyncIterator[Candidate[tuple[str, ...]]]:
        for candidate, confidence in islice(fill.candidates.items(), MOST_JUDGED):
            texts = plan.changes(await best_fit(plan, candidate, guard))
            if any(texts):
                yield Candidate(texts, texts, plan.filled(texts), confidence)

    chosen = await choose(candidates(), guard)
    sound = tuple(Choice(each.what, each.confidence) for each in chosen.sound)
    if last is None:
        return Choices(sound, len(chosen.broken))
    shown = plan.changes(await best_fit(plan, last.texts, guard))
    return Choices(sound, len(chosen.broken), shown)


async def guard_of(session: Session, plan: Plan) -> Guard:
    """Of what the holes of `plan` touch."""
    tree = await session.parsing.tree(plan.document)
    holes = [(hole.start, hole.end) for hole in plan.holes]
    return await Guard.of(session.parsing, plan.document, tree, holes, plan.plain)


async def best_fit(plan: Plan, fills: tuple[str, ...], guard: Guard) -> tuple[str, ...]:
    """What becomes of each hole: of the ways to fit `fills` in the one that breaks least, the first
    of several. A way that changes nothing is none, if there is another."""
    known = plan.ways_to_fit(fills)
    ways = [way for way in known if any(plan.changes(way))] or [*known[:1]]
    if len(ways) == 1:
        return ways[0]
    judged = [await guard.judge(plan.filled(way)) for way in ways]
    return min(
        zip(ways, judged, strict=True),
        key=lambda pair: (pair[1][1], pair[1][0]),  # whether it breaks anything, and the errors
    )[0]


async def picked(session: Session, plan: Plan, choices: Choices) -> Choice | None:
    """The first, or what the user picks of them where its confidence is under the threshold; None
    for none, which the user has been told unless it was they who said so."""
    if not choices.sound:
        session.messages.show(
            "all that the model has would break what it touches, so nothing was put in"
            if choices.broken
            else "the model has nothing to put here"
        )
        return None
    first, needed = choices.sound[0], session.settings.min_confidence
    if first.confidence >= needed:
        if session.support.drafts and choices.shown not in (None, first.texts):
            session.messages.show(
                "another candidate than the last draft went in: it was ranked higher"
            )
        return first
    offered = {each.title: each for each in reversed(choices.sound[: session.settings.choices])}
    params = t.ShowMessageRequestParams(
        type=t.MessageType.Info,
        message=f"infill: {plan.title}? The model is not confident: choose what goes in.",
        actions=[t.MessageActionItem(title) for title in reversed(offered)],
    )
    try:
        async with asyncio.timeout(PATIENCE):
            answer = await session.server.window_show_message_request_async(params)
    except TimeoutError:
        return None
    except JsonRpcException as error:
        log.info("the client offers no choice: %s", error)
        raise failed(
            f"the best that the model has is of confidence {first.confidence:.2f}, under"
            f" infill.minConfidence ({needed:.2f}), so nothing was put in"
        ) from error
    return offered.get(answer.title) if answer is not None else None
