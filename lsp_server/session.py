"""One editor window: everything that lives as long as it does, and how it is put together."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lsprotocol import types as t
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from lsp_server.context.edits import Edits
from lsp_server.context.workspace import Workspace
from lsp_server.document import Document
from lsp_server.documents import Documents
from lsp_server.fills import Fills
from lsp_server.link import Link
from lsp_server.newest import Newest
from lsp_server.notebook import Notebooks
from lsp_server.notify.messages import Messages
from lsp_server.notify.status import Status
from lsp_server.secrets import is_secret
from lsp_server.settings import Settings
from lsp_server.stats.stats import Stats
from lsp_server.stats.store import Store
from lsp_server.suggest.history import History
from lsp_server.suggest.ports import Ports
from lsp_server.suggest.suggestions import Suggestions
from lsp_server.support import WATCHED, ClientSupport, watched_files
from lsp_server.syntax.parsing import Parsing

log = logging.getLogger(__name__)


class Session:
    """On the event loop. Features take from here what they need."""

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
        self.newest = Newest()
        self._initialized = False
        self.parsing = Parsing()
        self.messages = Messages(server)
        self.status = Status(server, settings.model, support.status)
        self.link = Link(settings, self.status, self.messages, factory, self.folders)
        self.documents = Documents(encoding, self.messages.warn_once)
        self.notebooks = Notebooks(self.documents)
        self.workspace = Workspace(self.messages.warn_once)
        self._edits = Edits()
        history = History()
        self.fills = Fills(
            server,
            self.documents,
            self.notebooks,
            history,
            self.link,
            self.status,
            lambda: self.settings,
            sends_drafts=support.drafts,
            workspace=self.workspace,
            edits=self._edits,
        )
        self.suggestions = Suggestions(
            Ports(
                documents=self.documents,
                parsing=self.parsing,
                settings=lambda: self.settings,
                outside=self.fills.outside,
                fill=self.fills.try_to_fill,
                fill_ahead=self.fills.fill_ahead,
                is_idle=lambda: self.link.is_idle,
                show_once=self.messages.show_once,
                quiet=self.status.quiet,
            ),
            history,
        )
        self.stats = Stats(Store(), enabled=lambda: self.settings.stats)
        self._watch_documents()

    def _watch_documents(self) -> None:
        documents, parsing = self.documents, self.parsing
        documents.on_opened += [self.suggestions.opened]
        documents.on_changed += [
            self.suggestions.changed,
            self.stats.changed,
            self._watch_edit,
            lambda _, new: parsing.in_a_pause(new, lambda: documents.is_current(new)),
        ]
        documents.on_closed += [parsing.forget, self.suggestions.closed, self.stats.closed]
        documents.on_closed += [self._edits.closed]

    def _watch_edit(self, old: Document, new: Document) -> None:
        if "edits" in self.settings.sources and not is_secret(new.uri):
            self._edits.changed(old, new, time.monotonic())

    def keep_indexes(self) -> None:
        """Of the folders that the window has now, if the settings want them."""
        self.workspace.keep(self.folders() if self.settings.index else ())

    def files_changed(self, uris: Iterable[str]) -> None:
        """By the editor or beside it, as the client tells."""
        paths = (to_fs_path(uri) for uri in uris if uri.startswith("file:"))
        self.workspace.changed(path for path in paths if path)

    def initialized(self) -> None:
        """The client is ready: what runs beside it may begin."""
        self._initialized = True
        self.link.warm_up()
        self.keep_indexes()
        if self.support.watches_files:
            self._asking = asyncio.ensure_future(self._watch_files())

    async def _watch_files(self) -> None:
        asked = t.Registration(*WATCHED, register_options=watched_files())
        try:
            await self.server.client_register_capability_async(t.RegistrationParams([asked]))
        except JsonRpcException as error:
            log.info("the client tells of no files: %s", error)

    def folders(self) -> list[Path]:
        """Those that the window has open."""
        workspace = self.server.workspace
        paths = [to_fs_path(uri) for uri in workspace.folders] or [workspace.root_path]
        return [Path(path) for path in paths if path]

    def configure(self, given: Any) -> None:
        """Take settings in as the client gives them."""
        settings, problems = self.settings.updated(given)
        for name, problem in problems.items():
            self.messages.warn_once(problem, f"setting {name}")
        keeps = self.settings.index
        self.settings = settings
        if self._initialized and settings.index != keeps:
            self.keep_indexes()
        for name in ("lsp_server", "engine"):
            logging.getLogger(name).setLevel(logging.DEBUG if settings.debug else logging.NOTSET)
        if self.link.configure(settings):
            self.suggestions.cache.clear()

    def close(self) -> None:
        self.suggestions.close()
        self.workspace.close()
        self.stats.save()
        self.link.disconnect()
        self.parsing.close()
