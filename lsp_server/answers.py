"""Which feature answers which request. It imports them all: after `initialize`, not before."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from lsprotocol import types as t

from lsp_server import capabilities
from lsp_server.document import Document
from lsp_server.features import (
    code_action,
    completion,
    execute_command,
    fill,
    inline_completion,
)
from lsp_server.session import Session
from lsp_server.stats.counters import Kind

log = logging.getLogger(__name__)

# Called as the request arrives, when the document is what the request is about; awaited later.
Answer = Callable[[Session, Any], Awaitable[Any]]
DocumentAnswer = Callable[[Session, Document, Any], Awaitable[Any]]


def _about_document(answer: DocumentAnswer) -> Answer:
    def begin(session: Session, params: Any) -> Awaitable[Any]:
        uri = params.text_document.uri
        document = session.documents.get(uri)
        if document is None:
            log.warning("nothing is answered: %s", session.documents.why_absent(uri))
            return _nothing()
        if session.link.paused:
            return _nothing()
        return answer(session, document, params)

    return begin


def _counted(kind: Kind, answer: DocumentAnswer) -> DocumentAnswer:
    """`answer`, with its latency and what it shows in the local counters."""

    async def count(session: Session, document: Document, params: Any) -> Any:
        started = time.perf_counter()
        result = await answer(session, document, params)
        now = session.documents.get(document.uri)
        if result is None or now is None:
            return result
        session.stats.answered(kind, time.perf_counter() - started)
        for item in result.items:
            edit: Any = item.text_edit if isinstance(item, t.CompletionItem) else item
            text = edit.new_text if isinstance(edit, t.TextEdit) else edit.insert_text
            session.stats.shown(kind, now, *now.offsets(edit.range), text)
        return result

    return count


async def _nothing() -> None:
    return None


ANSWERS: dict[str, Answer] = {
    t.TEXT_DOCUMENT_INLINE_COMPLETION: _about_document(
        _counted(Kind.INLINE, inline_completion.answer)
    ),
    t.TEXT_DOCUMENT_COMPLETION: _about_document(_counted(Kind.COMPLETION, completion.answer)),
    t.COMPLETION_ITEM_RESOLVE: completion.resolve,
    t.TEXT_DOCUMENT_CODE_ACTION: _about_document(code_action.answer),
    t.CODE_ACTION_RESOLVE: code_action.resolve,
    capabilities.FILL: fill.answer,
    t.WORKSPACE_EXECUTE_COMMAND: execute_command.answer,
}
