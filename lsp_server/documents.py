"""The open documents, each as an immutable snapshot of the version that the editor has now."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from urllib.parse import unquote

from lsprotocol import types as t

from lsp_server.document import FIRST_OF_OURS, Document
from lsp_server.sync import Changed, Closed, Event, Opened, Unclear

log = logging.getLogger(__name__)

# Shows a warning to the user, once for each cause, which is the second argument.
Warn = Callable[[str, str], None]


class Documents(Mapping[str, Document]):
    """By URI, on the event loop. Whoever wants to know what happens to them is in one of the lists,
    and called in order."""

    def __init__(self, encoding: t.PositionEncodingKind, warn: Warn) -> None:
        self.on_opened: list[Callable[[Document], None]] = []
        self.on_changed: list[Callable[[Document, Document], None]] = []  # from the old to the new
        self.on_closed: list[Callable[[str], None]] = []
        self._open: dict[str, Document] = {}
        self._unclear: dict[str, str] = {}  # languages of open documents whose text is not known
        self._own_versions = count(FIRST_OF_OURS)
        self._encoding = encoding
        self._warn = warn

    def __getitem__(self, uri: str) -> Document:
        return self._open[uri]

    def __iter__(self) -> Iterator[str]:
        return iter(self._open)

    def __len__(self) -> int:
        return len(self._open)

    def is_current(self, document: Document) -> bool:
        """Whether the editor still has exactly this version."""
        return self._open.get(document.uri) is document

    def apply(self, event: Event) -> None:
        """Take in what has happened to a document."""
        match event:
            case Opened():
                self._add(event.uri, event.language, event.version, event.text)
            case Changed():
                self._change(event)
            case Closed():
                self._close(event.uri)
            case Unclear():
                self._lose(event)

    def why_absent(self, uri: str) -> str:
        """For the user: why there is no document `uri` to answer for."""
        if uri in self._unclear:
            name = unquote(uri.rpartition("/")[2])
            return (
                f"a message of the editor about {name} could not be read, so its text is not known "
                "and nothing is filled there: close it and open it again"
            )
        return f"{uri} is not open: send textDocument/didOpen first"

    def _add(self, uri: str, language: str, version: int | None, text: str) -> None:
        version = next(self._own_versions) if version is None else version
        document = Document(uri, version, language, text, self._encoding)
        self._unclear.pop(uri, None)
        self._open[uri] = document
        for opened in self.on_opened:
            opened(document)

    def _change(self, event: Changed) -> None:
        document = self._open.get(event.uri)
        if document is None:
            first = event.changes[0] if event.changes else None
            language = self._unclear.get(event.uri)
            if language is None:
                log.warning("a change of a document that is not open is ignored: %s", event.uri)
            elif isinstance(first, t.TextDocumentContentChangeWholeDocument):
                self._add(event.uri, language, event.version, first.text)
                self._change(event)
            return
        version = event.version
        if version is None or version <= document.version < FIRST_OF_OURS:
            version = next(self._own_versions)
        edited = document.edited(event.changes, version)
        self._open[event.uri] = edited
        for changed in self.on_changed:
            changed(document, edited)

    def _close(self, uri: str) -> None:
        self._open.pop(uri, None)
        self._unclear.pop(uri, None)
        for closed in self.on_closed:
            closed(uri)

    def _lose(self, event: Unclear) -> None:
        """Rather no fills than fills from a text that is not the editor's any more."""
        if event.uri is None:
            log.warning("ignored: %s", event.reason)
            self._warn(event.reason, "unclear")
            return
        known = self._open.get(event.uri)
        language = known.language if known else self._unclear.get(event.uri, event.language)
        self._close(event.uri)
        self._unclear[event.uri] = language
        log.warning("the text of %s is not known: %s", event.uri, event.reason)
        self._warn(self.why_absent(event.uri), f"unclear {event.uri}")
