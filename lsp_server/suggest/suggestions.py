"""Everything between a cursor and what is shown there, for one editor window.

Ask or not (policy), wait or not (pace), a fill from the cache or from the engine, cleaned,
arbitrated, shown or hidden; and what the user then does with it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.api import Draft, Fill
from lsp_server.anchor import Placed, place
from lsp_server.document import Document
from lsp_server.gap import Gap, cut
from lsp_server.suggest import policy
from lsp_server.suggest.ahead import Ahead
from lsp_server.suggest.arbitrate import Verdict, arbitrate, variants
from lsp_server.suggest.cache import Cache, Entry, Hit
from lsp_server.suggest.feedback import Feedback, Outcome
from lsp_server.suggest.history import History
from lsp_server.suggest.policy import Outcomes, Pace, Trigger

if TYPE_CHECKING:
    from lsp_server.session import Session

log = logging.getLogger(__name__)

# Longer than any fill takes, loading the model aside: nobody looks at a cursor for longer.
PATIENCE = 20.0
# How many of the engine's candidates are looked at before none is shown.
MOST_CANDIDATES = 3

OnDraft = Callable[[Draft], None]
OnOutcome = Callable[[Document, Outcome], None]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for a fill at `offset` of `document`. `ghost` is for text shown in place.

    Only what begins with `beginning` is wanted: what the popup's choice would add.
    """

    document: Document
    offset: int
    trigger: Trigger
    ghost: bool = True
    beginning: str = ""
    on_draft: OnDraft | None = None


class Suggestions:
    """Lives on the event loop. The session tells it what happens to its documents."""

    def __init__(self, session: Session, clock: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._clock = clock
        self.history = History()
        self.cache = Cache()
        self.feedback = Feedback()
        self.outcomes = Outcomes()
        self.pace = Pace()
        self.filters_fired: Counter[str] = Counter()
        self.on_outcome: list[OnOutcome] = []
        self._ahead = Ahead(self.cache, session.parsing, self._is_idle, self._fill_ahead)
        self._accepted: tuple[str, int] | None = None

    # What happens to documents

    def opened(self, document: Document) -> None:
        self.history.opened(document)
        self.cache.forget(document.uri)
        self.feedback.forget(document.uri)

    def changed(self, old: Document, new: Document) -> None:
        edit = self.history.changed(old, new, self._clock())
        if edit is None:
            return
        if len(edit.inserted) in (1, 2) and not edit.removed:
            self.pace.typed(edit.at)
        outcome = self.feedback.changed(new, edit)
        if outcome is None:
            return
        log.debug("the suggestion was %s", outcome)
        if outcome is Outcome.REJECTED:
            self.cache.hide(new.uri)
            self.outcomes.add(False)
        elif outcome is not Outcome.TYPED:
            self.outcomes.add(True)
            self._accepted = new.uri, new.version
        for told in self.on_outcome:
            told(new, outcome)

    def closed(self, uri: str) -> None:
        self.history.closed(uri)
        self.cache.forget(uri)
        self.feedback.forget(uri)

    def close(self) -> None:
        self._ahead.stop()

    # What is asked

    def trigger(self, document: Document, invoked: bool) -> Trigger:
        if invoked:
            return Trigger.INVOKED
        accepted = self._accepted == (document.uri, document.version)
        return Trigger.AFTER_ACCEPT if accepted else Trigger.AUTOMATIC

    async def suggest(self, ask: Ask) -> Placed | None:
        """What to show for `ask`, where it belongs by now; None for nothing."""
        document, settings = ask.document, self._session.settings
        edit = self.history.last(document.uri)
        hit = self.cache.look(document, ask.offset)
        reason = policy.silent_because(document, ask.offset, ask.trigger, settings, edit)
        if reason is not None:
            # Deleting back into what is shown leaves it there.
            is_back = (
                edit is not None
                and edit.is_deletion
                and not policy.silent_because(document, ask.offset, ask.trigger, settings, None)
            )
            if not (is_back and hit is not None and self.cache.is_shown(hit.entry)):
                self._nothing(ask, reason)
                return None
        if hit is not None and not self._is_unwanted(ask, hit.text):
            return self._from_cache(ask, hit)
        if ask.trigger is Trigger.AUTOMATIC and not await self._is_still_wanted(ask):
            return None
        gap = cut(document, ask.offset, tree=await self._session.parsing.tree(document))
        reason = policy.silent_at(gap, ask.trigger, settings)
        if reason is not None:
            self._nothing(ask, reason)
            return None
        asked = self._clock()
        fill = await self._session.try_to_fill(gap, PATIENCE, ask.on_draft)
        if fill is None:
            return None
        self.pace.answered(self._clock() - asked)
        verdict = await self._best(fill, gap, ask)
        return self._show(ask, gap, verdict, fill.confidence)

    def _from_cache(self, ask: Ask, hit: Hit) -> Placed:
        document = ask.document
        if not ask.ghost:
            covered = document.text[ask.offset : ask.offset + hit.covers]
            if covered and hit.text.endswith(covered):  # a list's item leaves alone what is there
                return Placed(document, ask.offset, ask.offset, hit.text.removesuffix(covered))
        else:
            self._shown(ask, hit.entry, document, ask.offset, hit.text)
            gap = cut(document, ask.offset)
            self._look_ahead(gap, hit.text, hit.covers)
        return Placed(document, ask.offset, ask.offset + hit.covers, hit.text)

    async def _is_still_wanted(self, ask: Ask) -> bool:
        """After the pause that shows that the user waits for something."""
        document, settings = ask.document, self._session.settings
        before = document.text[max(0, ask.offset - 1) : ask.offset]
        after = document.text[ask.offset : ask.offset + 1]
        is_boundary = not before.isalnum() and after in ("", "\n", "\r")
        least = (settings.delay or 0) / 1000
        await asyncio.sleep(self.pace.wait(self._clock(), is_boundary, least))
        return self._session.documents.get(document.uri) is document

    async def _best(self, fill: Fill, gap: Gap, ask: Ask) -> Verdict | None:
        """The first candidate that says something, was not rejected here, and breaks nothing."""
        settings = self._session.settings
        is_automatic = ask.trigger is not Trigger.INVOKED
        broken: Verdict | None = None
        texts = dict.fromkeys([fill.texts[0], *(each.texts[0] for each in fill.alternatives)])
        for text in list(texts)[:MOST_CANDIDATES]:
            choices = variants(
                text,
                gap,
                automatic=is_automatic,
                max_lines=settings.max_lines,
                may_overwrite=ask.ghost,
                without=settings.without_filters,
            )
            self.filters_fired.update(choices[0].fired)
            verdict = await arbitrate(choices, gap, self._session.parsing)
            if not verdict.cleaned.text or self._is_unwanted(ask, verdict.cleaned.text):
                continue
            if not verdict.breaks:
                return verdict
            broken = broken or verdict
        return broken

    def _show(
        self, ask: Ask, gap: Gap, verdict: Verdict | None, confidence: float
    ) -> Placed | None:
        if verdict is None:
            self._nothing(ask, "the model would put nothing here")
            return None
        reason = policy.hidden_because(
            confidence, verdict.breaks, ask.trigger, self._session.settings, self.outcomes
        )
        if reason is not None:
            self._nothing(ask, reason)
            return None
        best = verdict.cleaned
        entry = self.cache.store(gap.document, gap.start, best.text, confidence)
        current = self._session.documents.get(gap.document.uri)
        placed = place(best.text, gap, current, best.covers)
        if placed is not None and ask.ghost:
            self._shown(ask, entry, placed.document, placed.start, best.text)
            self._look_ahead(gap, best.text, best.covers)
        return placed

    def _shown(self, ask: Ask, entry: Entry, document: Document, offset: int, text: str) -> None:
        self.cache.show(entry)
        self.feedback.show(document, offset, text, self._clock())

    def _nothing(self, ask: Ask, reason: str) -> None:
        log.debug("nothing is shown (%s): %s", ask.trigger, reason)

    def _is_unwanted(self, ask: Ask, text: str) -> bool:
        """Not what the popup has chosen; or turned down here, and not asked for by hand now."""
        if not text.startswith(ask.beginning):
            return True
        if ask.trigger is Trigger.INVOKED:
            return False
        return self.feedback.was_rejected(ask.document, ask.offset, text)

    # What comes next

    def _look_ahead(self, gap: Gap, text: str, covers: int) -> None:
        if self._session.settings.speculate:
            self._ahead.go(gap, text, covers)

    def _is_idle(self) -> bool:
        return self._session.is_idle

    async def _fill_ahead(self, gap: Gap) -> tuple[str, float]:
        settings = self._session.settings
        if policy.silent_at(gap, Trigger.AUTOMATIC, settings) is not None:
            return "", 0.0
        fill = await self._session.fill_ahead(gap)
        hidden = policy.hidden_because(
            fill.confidence, False, Trigger.AUTOMATIC, settings, self.outcomes
        )
        return ("" if hidden else fill.texts[0]), fill.confidence
