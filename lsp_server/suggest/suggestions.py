"""Everything between a cursor and what is shown there, for one editor window.

Ask or not (policy), wait or not (pace), a fill from the cache or from the engine, cleaned,
chosen from, shown or hidden; and what the user then does with it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.api import Fill
from lsp_server.acceptance import Outcome
from lsp_server.anchor import Placed, place
from lsp_server.document import Document
from lsp_server.gap import Gap, cut
from lsp_server.secrets import withheld_because
from lsp_server.suggest import policy
from lsp_server.suggest.ahead import Ahead
from lsp_server.suggest.cache import Cache, Entry, Hit
from lsp_server.suggest.choose import Judged, best_by_hand, first_sound
from lsp_server.suggest.clean import Cleaned
from lsp_server.suggest.feedback import Feedback
from lsp_server.suggest.history import Edit, History
from lsp_server.suggest.policy import Outcomes, Pace, Quiet, Trigger
from lsp_server.suggest.ports import OnDraft, Ports

log = logging.getLogger(__name__)

# Longer than any fill takes, loading the model aside: nobody looks at a cursor for longer.
PATIENCE = 20.0
# How many of the engine's candidates are looked at before none is shown.
MOST_CANDIDATES = 8
# ... and how many for somebody who has asked by hand.
MOST_BY_HAND = 24
# Characters of one key: editors close a bracket with it.
KEY = 2

OnOutcome = Callable[[Document, Outcome], None]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for a fill at `offset` of `document`. `ghost` is for text shown in place.

    Only what begins with `beginning` is wanted: what the popup's choice would add. At most `most`
    are wanted.
    """

    document: Document
    offset: int
    trigger: Trigger
    ghost: bool = True
    beginning: str = ""
    on_draft: OnDraft | None = None
    most: int = 1


class Suggestions:
    """On the event loop. `opened`, `changed` and `closed` are called with what happens to the
    window's documents, and so keep `history`."""

    def __init__(
        self, ports: Ports, history: History, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ports = ports
        self._clock = clock
        self.history = history
        self.cache = Cache()
        self.feedback = Feedback()
        self.outcomes = Outcomes()
        self.pace = Pace()
        self.on_outcome: list[OnOutcome] = []
        self._ahead = Ahead(
            self.cache,
            ports.parsing,
            ports.is_idle,
            self._fill_ahead,
            ports.outside,
        )
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
        for listener in self.on_outcome:
            listener(new, outcome)

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

    async def suggest(self, ask: Ask) -> list[Placed]:
        """What to show for `ask`, where it belongs by now, the best first; nothing for nothing."""
        document = ask.document
        edit = self.history.last(document.uri)
        outside = self._ports.outside(document)
        hit = self.cache.look(document, ask.offset, outside)
        secret = withheld_because(document.uri)
        if secret is not None:
            if ask.ghost and ask.trigger is Trigger.INVOKED:
                self._ports.show_once(secret)
            self._nothing(ask, secret)
            return []
        reason = self._silent_because(ask, edit)
        if reason is not None and not (edit and hit and self._stays(ask, hit, edit)):
            self._nothing(ask, reason)
            return []
        cached: list[Placed] = []
        if hit is not None and not self._is_unwanted(ask, hit.text):
            cached = [self._from_cache(ask, hit)]
            if ask.most == 1:
                return cached
        if ask.trigger is Trigger.AUTOMATIC and not await self._is_still_wanted(ask):
            return []
        tree = await self._ports.parsing.near(document, ask.offset)
        gap = cut(document, ask.offset, tree=tree)
        reason = policy.silent_at(gap, ask.trigger, self._ports.settings())
        if reason is not None:
            self._nothing(ask, reason)
            return []
        asked = self._clock()
        fill = await self._ports.fill(gap, PATIENCE, ask.on_draft)
        if fill is None:
            return cached
        self.pace.answered(self._clock() - asked)
        good = await self._good(fill, gap, ask)
        if cached:
            return [*cached, *self._others(gap, good, cached[0].text)][: ask.most]
        return self._show(ask, gap, good, outside)

    def _silent_because(self, ask: Ask, edit: Edit | None) -> str | None:
        settings = self._ports.settings()
        return policy.silent_because(ask.document, ask.offset, ask.trigger, settings, edit)

    def _stays(self, ask: Ask, hit: Hit, edit: Edit) -> bool:
        """A key deleted or typed again inside of what is shown leaves it there."""
        is_key = len(edit.removed) <= KEY and len(edit.inserted) <= KEY
        return is_key and self.cache.is_shown(hit.entry) and self._silent_because(ask, None) is None

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
        document, settings = ask.document, self._ports.settings()
        before = document.text[max(0, ask.offset - 1) : ask.offset]
        after = document.text[ask.offset : ask.offset + 1]
        is_boundary = not before.isalnum() and after in ("", "\n", "\r")
        least = (settings.delay or 0) / 1000
        await asyncio.sleep(self.pace.wait(self._clock(), is_boundary, least))
        return self._ports.documents.get(document.uri) is document

    async def _good(self, fill: Fill, gap: Gap, ask: Ask) -> list[Judged[Cleaned]]:
        """At most `ask.most` candidates that are not empty and were not rejected here; see
        `best_by_hand` for who asks by hand, else `first_sound`."""
        settings, parsing = self._ports.settings(), self._ports.parsing
        is_automatic = ask.trigger is not Trigger.INVOKED
        how: dict[str, Any] = {
            "automatic": is_automatic,
            "max_lines": settings.max_lines,
            "may_overwrite": ask.ghost,
            "without": settings.without_filters,
        }

        def is_wanted(choice: Cleaned) -> bool:
            return not self._is_unwanted(ask, choice.text)

        texts = [(texts[0], confidence) for texts, confidence in fill.candidates.items()]
        if is_automatic:
            most = max(MOST_CANDIDATES, ask.most)
            good = await first_sound(texts[:most], gap, parsing, ask.most, is_wanted, **how)
        else:
            best = await best_by_hand(texts[:MOST_BY_HAND], gap, parsing, **how)
            good = [each for each in best if is_wanted(each.what)][: ask.most]
        return good

    def _show(self, ask: Ask, gap: Gap, good: list[Judged[Cleaned]], outside: int) -> list[Placed]:
        if not good:
            self._nothing(ask, "the model would put nothing here, or only what breaks the file")
            return []
        first, best = good[0], good[0].what
        hidden = policy.hidden_because(
            first.confidence, first.breaks, ask.trigger, self._ports.settings(), self.outcomes
        )
        if hidden is not None:
            self._nothing(ask, hidden)
            return []
        entry = self.cache.store(gap.document, gap.start, best.text, first.confidence, outside)
        current = self._ports.documents.get(gap.document.uri)
        placed = place(best.text, gap, current, best.covers)
        if placed is None:
            return self._others(gap, good, best.text)
        if ask.ghost:
            self._shown(ask, entry, placed.document, placed.start, best.text)
            self._look_ahead(gap, best.text, best.covers)
        return [placed, *self._others(gap, good, best.text)]

    def _others(self, gap: Gap, good: list[Judged[Cleaned]], first: str) -> list[Placed]:
        """What there is to choose from besides `first`."""
        current = self._ports.documents.get(gap.document.uri)
        texts = [each.what for each in good if each.what.text != first]
        placed = [place(each.text, gap, current, each.covers) for each in texts]
        return [each for each in placed if each is not None]

    def _shown(self, ask: Ask, entry: Entry, document: Document, offset: int, text: str) -> None:
        self.cache.show(entry)
        self._ports.quiet(None)
        self.feedback.show(document, offset, text, self._clock())

    def _nothing(self, ask: Ask, why: Quiet | str) -> None:
        quiet = Quiet(why) if isinstance(why, str) else why
        log.debug("nothing is shown (%s): %s", ask.trigger, quiet.reason)
        if ask.ghost:
            self._ports.quiet(quiet)

    def _is_unwanted(self, ask: Ask, text: str) -> bool:
        """Not what the popup has chosen; or turned down here, and not asked for by hand now."""
        if not text.startswith(ask.beginning):
            return True
        if ask.trigger is Trigger.INVOKED:
            return False
        return self.feedback.was_rejected(ask.document, ask.offset, text)

    # What comes next

    def _look_ahead(self, gap: Gap, text: str, covers: int) -> None:
        if self._ports.settings().speculate:
            self._ahead.go(gap, text, covers)

    async def _fill_ahead(self, gap: Gap) -> tuple[str, float]:
        settings, trigger = self._ports.settings(), Trigger.AUTOMATIC
        if policy.silent_at(gap, trigger, settings) is not None:
            return "", 0.0
        fill = await self._ports.fill_ahead(gap)
        good = await self._good(fill, gap, Ask(gap.document, gap.start, trigger))
        if not good:
            return "", 0.0
        first = good[0]
        hidden = policy.hidden_because(
            first.confidence, first.breaks, trigger, settings, self.outcomes
        )
        return ("" if hidden else first.what.text), first.confidence
