"""From answers and edits to counts, without the editor's help: as gopls does.

What was shown is remembered; an edit that puts it there at once has accepted it, and some time
later it is looked at again.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from lsp_server.acceptance import Outcome, count_standing, followed
from lsp_server.difference import difference
from lsp_server.document import Document
from lsp_server.stats.counters import KEPT_AFTER, Counters, Kind
from lsp_server.stats.store import Store

log = logging.getLogger(__name__)

SAVE_EVERY = 60.0
MOST_SHOWN = 4  # per document
MOST_ACCEPTED = 100
LONGEST_COMPARED = 400  # words
# An accepted fill is kept while this much of its words stands.
SAME = 0.75
_WORD = re.compile(r"\w+|[^\w\s]")
_CLOSERS = ")]}>\"'`"


@dataclass(slots=True)
class Item:
    """`text` shown for [start, end) of a document; `matched` characters of it stand there."""

    kind: Kind
    start: int
    end: int
    text: str
    matched: int = 0


@dataclass(slots=True)
class Accepted:
    kind: Kind
    uri: str
    start: int
    end: int
    text: str


class Stats:
    """On the event loop. `after` is asked to call something in some seconds: a test has its own."""

    def __init__(
        self,
        store: Store,
        after: Callable[[float, Callable[[], None]], object] | None = None,
        enabled: Callable[[], bool] = lambda: True,
    ) -> None:
        self.counters = Counters()
        self._store = store
        self._after = after or _call_later
        self._enabled = enabled
        self._documents: dict[str, Document] = {}
        self._shown: dict[str, list[Item]] = {}
        self._accepted: list[Accepted] = []
        self._saving: object | None = None
        self._warned = False

    def shown(self, kind: Kind, document: Document, start: int, end: int, text: str) -> None:
        """`text` was offered for [start, end) of `document`. What stays shown counts once."""
        if not self._enabled() or not text:
            return
        items = self._shown.setdefault(document.uri, [])
        for item in items:
            if item.kind is kind and _goes_on(item, start, text):
                return
        self.counters[kind].shown += 1
        items.append(Item(kind, start, end, text))
        del items[:-MOST_SHOWN]
        self._save_soon()

    def answered(self, kind: Kind, seconds: float) -> None:
        if self._enabled():
            self.counters[kind].answered(seconds)

    def changed(self, old: Document, new: Document) -> None:
        items = self._shown.get(new.uri)
        if not items and not any(each.uri == new.uri for each in self._accepted):
            return
        start, old_end, new_end = difference(old.text, new.text)
        if start == old_end == new_end:
            return
        self._documents[new.uri] = new
        for accepted in self._accepted:
            if accepted.uri == new.uri:
                _move(accepted, start, old_end, new_end)
        if items:
            self._shown[new.uri] = [
                item for item in items if self._is_still_open(item, new, start, old_end, new_end)
            ]

    def closed(self, uri: str) -> None:
        self._documents.pop(uri, None)
        self._shown.pop(uri, None)
        self._accepted = [each for each in self._accepted if each.uri != uri]

    def save(self) -> None:
        """Blocks for a file. What cannot be saved is kept for the next time, and said once."""
        counters, self.counters = self.counters, Counters()
        if not counters:
            return
        try:
            self._store.add(counters)
            self._warned = False
        except OSError as error:
            self.counters.add(counters)
            if not self._warned:
                self._warned = True
                log.warning("the counters of `infill-ls stats` cannot be saved: %s", error)

    def _is_still_open(
        self, item: Item, new: Document, start: int, old_end: int, new_end: int
    ) -> bool:
        """Follow `item` over an edit, and count it if that has accepted it."""
        if start > item.end + item.matched:
            return True
        if old_end < item.start:
            item.start += new_end - old_end
            item.end += new_end - old_end
            return True
        matched = count_standing(item.text, new.text, item.start)
        if matched == len(item.text):
            outcome = followed(item.text, matched, new.text[start:new_end])
            # Nobody types what an action does.
            if outcome is Outcome.ACCEPTED or item.kind is Kind.ACTION:
                self._accept(item, new)
            return False
        beyond = new.text[item.start + matched : new_end]
        item.matched = matched
        return not beyond.strip(_CLOSERS) and start >= item.start

    def _accept(self, item: Item, document: Document) -> None:
        self.counters[item.kind].accepted += 1
        self._documents[document.uri] = document
        end = item.start + len(item.text)
        accepted = Accepted(item.kind, document.uri, item.start, end, item.text)
        self._accepted.append(accepted)
        del self._accepted[:-MOST_ACCEPTED]
        for seconds in KEPT_AFTER:
            self._after(seconds, partial(self._look, accepted, seconds))
        self._save_soon()

    def _look(self, accepted: Accepted, seconds: int) -> None:
        """In a document that is closed by now nobody knows."""
        document = self._documents.get(accepted.uri)
        if document is None or not any(each is accepted for each in self._accepted):
            return
        now = document.text[accepted.start : accepted.end]
        self.counters[accepted.kind].survived(seconds, is_kept(accepted.text, now))
        if seconds == KEPT_AFTER[-1]:
            self._accepted = [each for each in self._accepted if each is not accepted]
        self._save_soon()

    def _save_soon(self) -> None:
        if self._saving is None:
            self._saving = self._after(SAVE_EVERY, self._save_now)

    def _save_now(self) -> None:
        self._saving = None
        asyncio.get_running_loop().run_in_executor(None, self.save)


def is_kept(text: str, now: str) -> bool:
    """Whether what stands there now is still that text, but for a few changes."""
    if text.strip() == now.strip():
        return True
    from difflib import SequenceMatcher

    words, left = (_WORD.findall(each)[:LONGEST_COMPARED] for each in (text, now))
    return SequenceMatcher(None, words, left, autojunk=False).ratio() >= SAME


def _goes_on(item: Item, start: int, text: str) -> bool:
    """Typed into, an item is what is left of it; deleted back, it is whole again."""
    return item.text.endswith(text) and start == item.start + len(item.text) - len(text)


def _move(accepted: Accepted, start: int, old_end: int, new_end: int) -> None:
    shift = new_end - old_end
    if old_end <= accepted.start:
        accepted.start += shift
        accepted.end += shift
    elif start < accepted.end:
        accepted.start = min(accepted.start, start)
        accepted.end = max(accepted.start, new_end, accepted.end + shift)


def _call_later(seconds: float, what: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(seconds, what)
