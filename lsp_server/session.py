"""One editor window: its settings, its open documents, its connection to the engine."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any
from urllib.parse import unquote

from lsprotocol import types as t
from pygls.lsp.server import LanguageServer

from engine.api import (
    BadRequest,
    Cancelled,
    Draft,
    EngineError,
    Fill,
    FillRequest,
    HostLost,
)
from engine.client.connect import HostEngine, connect
from engine.client.habits import Habits
from lsp_server.context import snippets
from lsp_server.document import FIRST_OF_OURS, Document
from lsp_server.features.draft import DraftStream
from lsp_server.features.status import Status
from lsp_server.filling import Filling
from lsp_server.gap import Gap
from lsp_server.holes.hole import Hole, Plan
from lsp_server.newest import Newest
from lsp_server.notebook import Notebooks
from lsp_server.secrets import Cleared, cleared, withheld_because
from lsp_server.settings import Settings
from lsp_server.stats import Stats, Store
from lsp_server.suggest.suggestions import Suggestions
from lsp_server.support import ClientSupport
from lsp_server.sync import Changed, Closed, Event, Opened, Unclear
from lsp_server.syntax.parsing import Parsing

log = logging.getLogger(__name__)

# What of a fill goes into each hole, as it is written there; None for nothing.
Settle = Callable[[Fill], Awaitable[Sequence[str] | None]]

# Seconds. What is asked meanwhile of a long document is answered from a part of it.
PAUSE = 1.0


class Session:
    """Lives on the event loop. Features read documents from here and ask for fills through here."""

    def __init__(
        self,
        server: LanguageServer,
        support: ClientSupport,
        encoding: t.PositionEncodingKind,
        settings: Settings,
        factory: str | None = None,
    ) -> None:
        self.server = server
        self.support = support
        self.settings = settings
        self.documents: dict[str, Document] = {}
        self._unclear: dict[str, str] = {}  # languages of open documents whose text is not known
        self._own_versions = count(FIRST_OF_OURS)
        self.newest = Newest()
        self.parsing = Parsing()
        self._encoding = encoding
        self._factory = factory
        self._engine: HostEngine | None = None
        self._may_repeat = True  # no host has been lost since the last fill
        self._filling = Filling(self._connected)
        self._told: set[str] = set()
        self._paused = False
        self._parsing_soon: asyncio.TimerHandle | None = None
        self._parsed_ahead: asyncio.Future[Any] | None = None
        self.status = Status(server, settings.model, support.status)
        self.suggestions = Suggestions(self)
        self.notebooks = Notebooks(self)
        self.stats = Stats(Store(), enabled=lambda: self.settings.stats)

    def apply(self, event: Event) -> None:
        """Take in what has happened to a document."""
        match event:
            case Opened():
                self._open(event.uri, event.language, event.version, event.text)
            case Changed():
                self._change(event)
            case Closed():
                self.close_document(event.uri)
            case Unclear():
                self._lose(event)

    def _open(self, uri: str, language: str, version: int | None, text: str) -> None:
        version = next(self._own_versions) if version is None else version
        document = Document(uri, version, language, text, self._encoding)
        self._unclear.pop(uri, None)
        self.documents[uri] = document
        self.suggestions.opened(document)

    def _change(self, event: Changed) -> None:
        document = self.documents.get(event.uri)
        if document is None:
            first = event.changes[0] if event.changes else None
            language = self._unclear.get(event.uri)
            if language is None:
                log.warning("a change of a document that is not open is ignored: %s", event.uri)
            elif isinstance(first, t.TextDocumentContentChangeWholeDocument):
                self._open(event.uri, language, event.version, first.text)
                self._change(event)
            return
        version = event.version
        if version is None or version <= document.version < FIRST_OF_OURS:
            version = next(self._own_versions)
        changed = document.edited(event.changes, version)
        self.documents[event.uri] = changed
        self.suggestions.changed(document, changed)
        self.stats.changed(document, changed)
        self._parse_in_a_pause(changed)

    def _lose(self, event: Unclear) -> None:
        """Rather no fills than fills from a text that is not the editor's any more."""
        if event.uri is None:
            log.warning("ignored: %s", event.reason)
            self.tell_once(event.reason, t.MessageType.Warning, "unclear")
            return
        known = self.documents.get(event.uri)
        language = known.language if known else self._unclear.get(event.uri, event.language)
        self.close_document(event.uri)
        self._unclear[event.uri] = language
        log.warning("the text of %s is not known: %s", event.uri, event.reason)
        cause = f"unclear {event.uri}"
        self.tell_once(self.why_absent(event.uri), t.MessageType.Warning, cause)

    def why_absent(self, uri: str) -> str:
        """For the user: why there is no document `uri` to answer for."""
        if uri in self._unclear:
            name = unquote(uri.rpartition("/")[2])
            return (
                f"a message of the editor about {name} could not be read, so its text is not known "
                "and nothing is filled there: close it and open it again"
            )
        return f"{uri} is not open: send textDocument/didOpen first"

    def _parse_in_a_pause(self, document: Document) -> None:
        """So that the tree by which parts of a long document are found is not an old one."""
        if self._parsing_soon is not None:
            self._parsing_soon.cancel()

        def parse() -> None:
            self._parsing_soon = None
            if self.documents.get(document.uri) is document:
                self._parsed_ahead = asyncio.ensure_future(self.parsing.tree(document))

        self._parsing_soon = asyncio.get_running_loop().call_later(PAUSE, parse)

    def close_document(self, uri: str) -> None:
        self.documents.pop(uri, None)
        self._unclear.pop(uri, None)
        self.parsing.forget(uri)
        self.suggestions.closed(uri)
        self.stats.closed(uri)

    def configure(self, given: Any) -> None:
        """Take settings in; another model or device, or other habits, mean another connection."""
        settings, problems = self.settings.updated(given)
        for name, problem in problems.items():
            self.tell_once(problem, t.MessageType.Warning, f"setting {name}")
        changed = _engine_of(settings) != _engine_of(self.settings)
        self.settings = settings
        for name in ("lsp_server", "engine"):
            logging.getLogger(name).setLevel(logging.DEBUG if settings.debug else logging.NOTSET)
        if changed and self._engine is not None:
            self._told.clear()
            self.suggestions.cache.clear()
            self.disconnect()
            self.warm_up()

    @property
    def paused(self) -> bool:
        """Nothing is to be filled: the user has paused us, or switched us off."""
        return self._paused

    def pause(self, paused: bool) -> None:
        """While paused there is no engine, and so no model in memory."""
        self._paused = paused
        self.status.paused(paused)
        if paused:
            self.disconnect()
        else:
            self.warm_up()

    def warm_up(self) -> None:
        """Let the engine load its model ahead of the first request."""
        if self._paused:
            return
        engine = self._connected()
        engine.start()
        loop = asyncio.get_running_loop()

        def watch() -> None:
            """Waits for the model, on a thread of its own since it may take minutes."""
            try:
                info = engine.info
            except EngineError as error:
                message = str(error)
                tell(lambda: self.status.failed(message))
            else:
                tell(lambda: self.status.ready(info))
                if (words := engine.disagreement) is not None:
                    tell(lambda: self.tell_once(words, t.MessageType.Warning))

        def tell(what: Callable[[], None]) -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(lambda: what() if self._engine is engine else None)

        threading.Thread(target=watch, name="engine-watch", daemon=True).start()

    def request_for(self, gap: Gap) -> FillRequest:
        return FillRequest(
            texts=self.notebooks.joined(gap.document, gap.sides()),
            context=snippets(
                gap.document,
                self.documents.values(),
                self.suggestions.history,
                self.server.workspace.folders,
                without=self.notebooks.siblings(gap.document.uri),
            ),
            language=gap.document.language,
            path=gap.document.path,
            shape=gap.shape,
            max_tokens=self.settings.max_tokens,
            steps=self.settings.steps,
        )

    def request_for_plan(self, plan: Plan) -> FillRequest:
        return replace(
            self.request_for(plan.gap(plan.holes[0])),
            texts=self.notebooks.joined(plan.document, plan.texts()),
            shape=plan.shape,
            max_tokens=self.settings.action_max_tokens,
        )

    async def fill(self, gap: Gap, on_draft: Callable[[Draft], None] | None = None) -> Fill:
        """Raises an EngineError. Cancelling the caller's task stops the engine's work."""
        hole = Hole(gap.start, gap.end, gap.shape)
        request = self._cleared(self.request_for(gap), gap.document)
        return await self._fill(request, gap.document, (hole,), on_draft)

    @property
    def is_idle(self) -> bool:
        """Nobody waits for a fill, and nothing has been told to stop."""
        return self._filling.idle and not self._paused

    async def fill_ahead(self, gap: Gap) -> Fill:
        """A fill that nobody has asked for yet: gives way to any other. Raises an EngineError."""
        request = self._cleared(self.request_for(gap), gap.document)
        return await self._filling.fill(request, background=True)

    async def fill_plan(
        self,
        plan: Plan,
        on_draft: Callable[[Draft], None] | None = None,
        request: FillRequest | None = None,
        settle: Settle | None = None,
    ) -> Fill:
        """All holes of `plan` in one request: `request_for_plan`, or `request` made from that.

        `settle` tells what of the fill goes into the holes, which is then shown as the last draft.
        Raises an EngineError.
        """
        asked = self.request_for_plan(plan) if request is None else request
        passed = self._cleared(asked, plan.document)
        return await self._fill(passed, plan.document, plan.holes, on_draft, settle)

    def withheld_because(self, document: Document) -> str | None:
        """Words for the user, where text around `document` may hold secrets and is not sent."""
        return withheld_because(*self._sources(document))

    def _cleared(self, request: FillRequest, document: Document) -> Cleared:
        """Raises Withheld."""
        return cleared(request, self._sources(document))

    def _sources(self, document: Document) -> set[str]:
        return {document.uri, *self.notebooks.around(document.uri)}

    async def _fill(
        self,
        request: Cleared,
        document: Document,
        holes: Sequence[Hole],
        on_draft: Callable[[Draft], None] | None,
        settle: Settle | None = None,
    ) -> Fill:
        """The fill, watched by whoever wants to: its drafts, its state."""
        stream = DraftStream(self.server, document, holes) if self.support.drafts else None

        def show(draft: Draft) -> None:
            if on_draft is not None:
                on_draft(draft)
            if stream is not None and self.documents.get(document.uri) is document:
                stream.on_draft(draft)

        watched = on_draft is not None or stream is not None
        self.status.begun()
        settled: Sequence[str] | None = None
        try:
            fill = await self._fill_in_spite_of_a_loss(request, show if watched else None)
            if settle is not None:
                settled = await settle(fill)
        except (BadRequest, Cancelled):
            raise
        except EngineError as error:
            self.status.failed(str(error))
            raise
        finally:
            self.status.ended()
            if stream is not None:
                stream.close(settled)
        self._may_repeat = True
        self.status.ready()
        return fill

    async def _fill_in_spite_of_a_loss(
        self, request: Cleared, on_draft: Callable[[Draft], None] | None
    ) -> Fill:
        """Asks again where the engine has gone meanwhile: no editor does before the next key.

        But not a second time before there has been a fill: this request may be what hosts die of.
        """
        engine, may_repeat = self._connected(), self._may_repeat
        try:
            return await self._filling.fill(request, on_draft)
        except HostLost as error:
            if self._engine is None:
                raise Cancelled("the engine has been given up") from error
            if self._engine is engine:
                self._may_repeat = False
                if not may_repeat:
                    raise
                self._tell_failure(error)
                self.status.starting(self.settings.model)
                self.warm_up()
        return await self._filling.fill(request, on_draft)

    async def try_to_fill(
        self, gap: Gap, patience: float, on_draft: Callable[[Draft], None] | None = None
    ) -> Fill | None:
        """None where the engine has failed: the user is told each cause once, the log each time."""
        try:
            async with asyncio.timeout(patience):
                return await self.fill(gap, on_draft)
        except TimeoutError:
            log.info("no fill within %g s, the request is answered without one", patience)
        except Cancelled:
            pass
        except EngineError as error:
            self._tell_failure(error)
        return None

    def _tell_failure(self, error: EngineError) -> None:
        log.info("no fill: %s: %s", error.kind, error)
        # How a lost host died differs each time, in its last words at least.
        cause = error.kind if isinstance(error, HostLost) else f"{error.kind} {error}"
        self.tell_once(str(error), t.MessageType.Error, cause)

    def tell(self, message: str, kind: t.MessageType = t.MessageType.Info) -> None:
        self.server.window_show_message(
            t.ShowMessageParams(type=kind, message=f"infill: {message}")
        )

    def tell_once(self, message: str, kind: t.MessageType, cause: str | None = None) -> None:
        cause = cause or message
        if cause not in self._told:
            self._told.add(cause)
            self.tell(message, kind)

    def disconnect(self) -> None:
        """Give the engine up. Its end may take a moment, which the event loop does not wait for."""
        engine, self._engine = self._engine, None
        if engine is not None:
            threading.Thread(target=engine.close, name="engine-close").start()

    def close(self) -> None:
        self.suggestions.close()
        self.stats.save()
        if self._parsing_soon is not None:
            self._parsing_soon.cancel()
        self.disconnect()
        self.parsing.close()

    def _connected(self) -> HostEngine:
        if self._engine is None:
            model, device, habits = _engine_of(self.settings)
            self._engine = connect(model, device, self._factory, habits)
            self.status.starting(self.settings.model)
        return self._engine


def _engine_of(settings: Settings) -> tuple[str, str | None, Habits]:
    """What of `settings` is the engine's: its model, its device, how its process behaves."""
    habits = Habits(60.0 * settings.linger, 60.0 * settings.unload_after or None)
    return settings.model, settings.device, habits
