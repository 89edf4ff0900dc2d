"""Work done progress of a fill: the step it is at, and the user's way to stop it."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from types import TracebackType

from lsprotocol import types as t
from pygls.lsp.server import LanguageServer

from engine.api import Draft

log = logging.getLogger(__name__)


class FillProgress:
    """`async with FillProgress(...) as progress:` and `progress.on_draft` goes to the fill.

    With the client's `token` it begins at once. Without one the client is asked for a progress of
    our own, if `may_create`, and the work does not wait for its answer. `on_cancel` is called when
    the user stops it there.
    """

    def __init__(
        self,
        server: LanguageServer,
        title: str,
        *,
        token: t.ProgressToken | None = None,
        may_create: bool = False,
        on_cancel: Callable[[], object] | None = None,
    ) -> None:
        self._server = server
        self._title = title
        self._token = token
        self._may_create = may_create
        self._on_cancel = on_cancel
        self._begun = False
        self._creating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> FillProgress:
        if self._token is not None:
            self._begin(self._token)
        elif self._may_create:
            self._creating = asyncio.create_task(self._create())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._creating is not None:
            self._creating.cancel()
        if self._token is not None and self._begun:
            self._begun = False
            self._server.work_done_progress.end(self._token, t.WorkDoneProgressEnd())
            self._server.work_done_progress.tokens.pop(self._token, None)

    @property
    def on_draft(self) -> Callable[[Draft], None] | None:
        """For the fill; None where nobody watches, so that no drafts need to be sent."""
        return self._report if self._token is not None or self._may_create else None

    def _report(self, draft: Draft) -> None:
        if self._token is None or not self._begun:
            return
        report = t.WorkDoneProgressReport(
            message=f"step {draft.step} of {draft.of}",
            percentage=min(100, 100 * draft.step // max(1, draft.of)),
        )
        self._server.work_done_progress.report(self._token, report)

    async def _create(self) -> None:
        token = f"infill/{uuid.uuid4()}"
        try:
            await self._server.work_done_progress.create_async(token)
        except Exception as error:
            log.info("the client shows no progress: %s", error)
            return
        self._token = token
        self._begin(token)

    def _begin(self, token: t.ProgressToken) -> None:
        begin = t.WorkDoneProgressBegin(
            title=self._title, cancellable=self._on_cancel is not None, percentage=0
        )
        progress = self._server.work_done_progress
        progress.begin(token, begin)
        self._begun = True
        if self._on_cancel is not None:
            on_cancel = self._on_cancel
            progress.tokens[token].add_done_callback(
                lambda canceller: on_cancel() if canceller.cancelled() else None
            )
