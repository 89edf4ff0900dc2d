"""One editor window: its settings, its open documents, its connection to the engine."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lsprotocol import types as t
from pygls.lsp.server import LanguageServer

from engine.api import Cancelled, Draft, EngineError, Fill, FillRequest, HostLost
from engine.connect import HostEngine, connect
from lsp_server.document import Document
from lsp_server.filling import Filling
from lsp_server.gap import Gap
from lsp_server.newest import Newest
from lsp_server.settings import Settings
from lsp_server.syntax.parsing import Parsing

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClientSupport:
    """What the editor can do, as far as we act on it."""

    versioned_edits: bool = False
    progress: bool = False
    configuration: bool = False
    markdown: bool = False

    @classmethod
    def of(cls, capabilities: t.ClientCapabilities) -> ClientSupport:
        workspace, window = capabilities.workspace, capabilities.window
        edit = workspace.workspace_edit if workspace else None
        document = capabilities.text_document
        completion = document.completion if document else None
        item = completion.completion_item if completion else None
        return cls(
            versioned_edits=bool(edit and edit.document_changes),
            progress=bool(window and window.work_done_progress),
            configuration=bool(workspace and workspace.configuration),
            markdown=bool(item and t.MarkupKind.Markdown in (item.documentation_format or ())),
        )


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
        self.newest = Newest()
        self.parsing = Parsing()
        self._encoding = encoding
        self._factory = factory
        self._engine: HostEngine | None = None
        self._filling = Filling(self._connected)
        self._told: set[str] = set()

    def open(self, item: t.TextDocumentItem) -> None:
        self.documents[item.uri] = Document(
            item.uri, item.version, item.language_id, item.text, self._encoding
        )

    def change(self, params: t.DidChangeTextDocumentParams) -> None:
        identifier = params.text_document
        document = self.documents.get(identifier.uri)
        if document is None:
            log.warning("a change of a document that is not open is ignored: %s", identifier.uri)
            return
        self.documents[identifier.uri] = document.edited(params.content_changes, identifier.version)

    def close_document(self, uri: str) -> None:
        self.documents.pop(uri, None)
        self.parsing.forget(uri)

    def configure(self, given: Any) -> None:
        """Take settings in; a changed model or device means another engine."""
        settings, problems = self.settings.updated(given)
        for problem in problems:
            self.tell_once(problem, t.MessageType.Warning)
        changed = (settings.model, settings.device) != (self.settings.model, self.settings.device)
        self.settings = settings
        for name in ("lsp_server", "engine"):
            logging.getLogger(name).setLevel(logging.DEBUG if settings.debug else logging.NOTSET)
        if changed and self._engine is not None:
            self._told.clear()
            self.disconnect()
            self.warm_up()

    def warm_up(self) -> None:
        """Let the engine load its model ahead of the first request."""
        self._connected().start()

    def request_for(self, gap: Gap) -> FillRequest:
        return FillRequest(
            texts=gap.sides(),
            language=gap.document.language,
            path=gap.document.path,
            shape=gap.shape,
            max_tokens=self.settings.max_tokens,
            steps=self.settings.steps,
        )

    async def fill(self, gap: Gap, on_draft: Callable[[Draft], None] | None = None) -> Fill:
        """Raises an EngineError. Cancelling the caller's task stops the engine's work."""
        return await self._filling.fill(self.request_for(gap), on_draft)

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
            log.info("no fill: %s: %s", error.kind, error)
            # How a lost host died differs each time, in its last words at least.
            cause = error.kind if isinstance(error, HostLost) else f"{error.kind} {error}"
            self.tell_once(str(error), t.MessageType.Error, cause)
        return None

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
        self.disconnect()
        self.parsing.close()

    def _connected(self) -> HostEngine:
        if self._engine is None:
            self._engine = connect(self.settings.model, self.settings.device, self._factory)
        return self._engine
