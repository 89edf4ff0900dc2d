"""From a gap or a plan of a document to its fill: the request, the gate, the drafts, the status."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from pygls.lsp.server import LanguageServer

from engine.api import (
    BadRequest,
    Cancelled,
    CannotConstrain,
    Constraint,
    Draft,
    EngineError,
    Fill,
    FillRequest,
    Shape,
)
from lsp_server.context.asked import Asked, OpenText
from lsp_server.context.cells import Cells
from lsp_server.context.edits import Edits
from lsp_server.context.open_documents import folder_of
from lsp_server.context.workspace import Workspace
from lsp_server.document import Document
from lsp_server.documents import Documents
from lsp_server.gap import Gap, with_lf
from lsp_server.holes.hole import Hole, Plan
from lsp_server.link import Link
from lsp_server.notebook import Notebooks
from lsp_server.notify.drafts import DraftStream
from lsp_server.notify.status import Status
from lsp_server.secrets import Cleared, cleared, is_secret, withheld_because
from lsp_server.settings import Settings
from lsp_server.suggest.history import History

log = logging.getLogger(__name__)

# What of a fill goes into each hole, as it is written there; None for nothing.
Settle = Callable[[Fill], Awaitable[Sequence[str] | None]]


class Fills:
    """On the event loop. `sends_drafts`: the client shows them."""

    def __init__(
        self,
        server: LanguageServer,
        documents: Documents,
        notebooks: Notebooks,
        history: History,
        link: Link,
        status: Status,
        settings: Callable[[], Settings],
        *,
        sends_drafts: bool,
        workspace: Workspace,
        edits: Edits,
    ) -> None:
        self._server = server
        self._documents = documents
        self._notebooks = notebooks
        self._cells = Cells(documents, notebooks)
        self._history = history
        self._link = link
        self._status = status
        self._settings = settings
        self._sends_drafts = sends_drafts
        self._workspace = workspace
        self._edits = edits

    async def request_for(self, gap: Gap) -> FillRequest:
        texts = self._cells.joined(gap.document, gap.sides())
        return await self._request(gap.document, texts, gap.shape, self._settings().max_tokens)

    async def request_for_plan(self, plan: Plan) -> FillRequest:
        """One hole that wants a name, of those that are known, may hold nothing else."""
        texts = self._cells.joined(plan.document, plan.texts())
        by_hand = len(plan.holes) == 1 and plan.holes[0].is_plain
        return await self._request(
            plan.document, texts, plan.shape, self._settings().action_max_tokens, by_hand=by_hand
        )

    async def _request(
        self,
        document: Document,
        texts: tuple[str, ...],
        shape: Shape,
        max_tokens: int,
        *,
        by_hand: bool = False,
    ) -> FillRequest:
        settings = self._settings()
        asked = replace(self._asked(document, texts, shape), by_hand=by_hand)
        found = await self._workspace.gather(asked, settings.sources)
        return FillRequest(
            texts=texts,
            context=found.context,
            proposals=found.proposals if len(texts) == 2 else (),
            language=document.language,
            path=document.path,
            shape=shape,
            max_tokens=max_tokens,
            steps=settings.steps,
            constraint=(Constraint(found.names),) if found.names else None,
        )

    def _asked(self, document: Document, texts: tuple[str, ...], shape: Shape) -> Asked:
        """What the sources of context may look at; nothing that may hold secrets."""
        folders, siblings = self._server.workspace.folders, self._notebooks.siblings(document.uri)
        home = folder_of(document.uri, folders)
        opened = []
        for other in self._documents.values():
            if other.uri == document.uri or other.uri in siblings or is_secret(other.uri):
                continue
            edit = self._history.last(other.uri)
            opened.append(
                OpenText(
                    path=other.path or other.uri,
                    language=other.language,
                    text=with_lf(other.text),
                    edited=min(edit.end, len(other.text)) if edit is not None else None,
                    edited_at=edit.at if edit is not None else 0.0,
                    is_near=folder_of(other.uri, folders) == home,
                )
            )
        return Asked(
            prefix=texts[0],
            suffix=texts[-1],
            language=document.language,
            path=document.path,
            shape=shape,
            open_texts=tuple(opened),
            edits=self._edits.recent(),
        )

    def outside(self, document: Document) -> int:
        """Changes with what the model reads around `document`; 0 where that is nothing."""
        return self._cells.outside(document)

    def withheld_because(self, document: Document) -> str | None:
        """Words for the user, where text around `document` may hold secrets and is not sent."""
        return withheld_because(*self._sources(document))

    async def fill(self, gap: Gap, on_draft: Callable[[Draft], None] | None = None) -> Fill:
        """Raises an EngineError. Cancelling the caller's task stops the engine's work."""
        hole = Hole(gap.start, gap.end, gap.shape)
        request = self._cleared(await self.request_for(gap), gap.document)
        return await self._fill(request, gap.document, (hole,), on_draft)

    async def fill_ahead(self, gap: Gap) -> Fill:
        """A fill that nobody has asked for yet: gives way to any other. Raises an EngineError."""
        request = self._cleared(await self.request_for(gap), gap.document)
        return await self._link.fill_ahead(request)

    async def fill_plan(
        self,
        plan: Plan,
        on_draft: Callable[[Draft], None] | None = None,
        request: FillRequest | None = None,
        settle: Settle | None = None,
    ) -> Fill:
        """All holes of `plan` in one request: `request_for_plan`, or `request` made from that.

        `settle` decides what of the fill goes into the holes, which is then the last draft shown.
        Raises an EngineError.
        """
        wanted = await self.request_for_plan(plan) if request is None else request
        passed = self._cleared(wanted, plan.document)
        try:
            return await self._fill(passed, plan.document, plan.holes, on_draft, settle)
        except CannotConstrain as error:
            log.info("filled without a constraint: %s", error)
            passed = self._cleared(replace(wanted, constraint=None), plan.document)
            return await self._fill(passed, plan.document, plan.holes, on_draft, settle)

    async def try_to_fill(
        self, gap: Gap, patience: float, on_draft: Callable[[Draft], None] | None = None
    ) -> Fill | None:
        """None where the engine has failed: the user is shown each cause once."""
        try:
            async with asyncio.timeout(patience):
                return await self.fill(gap, on_draft)
        except TimeoutError:
            log.info("no fill within %g s, the request is answered without one", patience)
        except Cancelled:
            pass
        except EngineError as error:
            self._link.report(error)
        return None

    def _cleared(self, request: FillRequest, document: Document) -> Cleared:
        """Raises Withheld."""
        return cleared(request, self._sources(document))

    def _sources(self, document: Document) -> set[str]:
        return {document.uri, *self._notebooks.around(document.uri)}

    async def _fill(
        self,
        request: Cleared,
        document: Document,
        holes: Sequence[Hole],
        on_draft: Callable[[Draft], None] | None,
        settle: Settle | None = None,
    ) -> Fill:
        """The fill, watched by whoever wants to: its drafts, its state."""
        stream = DraftStream(self._server, document, holes) if self._sends_drafts else None

        def show(draft: Draft) -> None:
            if on_draft is not None:
                on_draft(draft)
            if stream is not None and self._documents.is_current(document):
                stream.on_draft(draft)

        watched = on_draft is not None or stream is not None
        self._status.begun()
        settled: Sequence[str] | None = None
        try:
            fill = await self._link.fill(request, show if watched else None)
            if settle is not None:
                settled = await settle(fill)
        except (BadRequest, Cancelled):
            raise
        except EngineError as error:
            self._status.failed(str(error))
            raise
        finally:
            self._status.ended()
            if stream is not None:
                stream.close(settled)
        self._status.ready()
        return fill
