"""The pygls server: capabilities, wiring, lifecycle. What a method does is in features/."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from lsprotocol import types as t
from pygls.exceptions import JsonRpcException, JsonRpcInternalError
from pygls.lsp.server import LanguageServer

from lsp_server import __version__, transport
from lsp_server.document import Document
from lsp_server.features import (
    code_action,
    completion,
    configuration,
    execute_command,
    fill,
    inline_completion,
)
from lsp_server.notebook import SYNC
from lsp_server.process import ended
from lsp_server.protocol import AtArrival, InfillProtocol
from lsp_server.reading import lenient_converter
from lsp_server.session import Session
from lsp_server.settings import Settings
from lsp_server.stats import Kind
from lsp_server.support import ClientSupport

log = logging.getLogger(__name__)

DocumentAnswer = Callable[[Session, Document, Any], Awaitable[Any]]


class InfillServer(LanguageServer):
    """One client, one session. `session` is there from `initialize` on."""

    protocol: InfillProtocol
    session: Session

    def __init__(self) -> None:
        super().__init__(
            "infill-ls",
            __version__,
            protocol_cls=InfillProtocol,
            converter_factory=lenient_converter,
            notebook_document_sync=SYNC,
        )
        self.exit_code = 0
        # On stdio: another process may hold the pipe open that the client has left. A client on a
        # socket may be on another machine, where its process id means another process.
        self.ends_with_client = False
        self._stopping: asyncio.Event | None = None
        self._watch: asyncio.Future[None] | None = None

    def report_server_error(self, error: Exception, source: Any) -> None:
        """To the log: what the user should know, the session or the error answer tells."""
        expected = isinstance(error, JsonRpcException) and not isinstance(
            error, JsonRpcInternalError
        )
        level = logging.INFO if expected else logging.ERROR
        log.log(level, "%s: %s", getattr(source, "__name__", source), error)

    def stop(self, exit_code: int) -> None:
        """End the transport's loop, on the event loop; the first reason given is the one kept."""
        if self._stopping is not None and not self._stopping.is_set():
            self.exit_code = exit_code
            self._stopping.set()

    def watch_client(self, process: int | None) -> None:
        """End when process `process` does, as the specification wants it."""
        if process is not None and self.ends_with_client and self._watch is None:
            self._watch = asyncio.ensure_future(self._end_with(process))

    async def _end_with(self, process: int) -> None:
        if await ended(process):
            log.warning("the client's process %d has ended, and so does the server", process)
            self.stop(0)

    async def stopped(self) -> None:
        """Returns when the loop should end and every request has had its answer."""
        assert self._stopping is not None
        await self._stopping.wait()
        await self.protocol.cancel_requests()

    async def run(self, serve: Callable[[InfillServer], Coroutine[Any, Any, None]]) -> None:
        self._stopping = asyncio.Event()
        try:
            await serve(self)
        finally:
            if hasattr(self, "session"):
                self.session.close()


def create_server(
    model: str = "embedded", device: str | None = None, factory: str | None = None
) -> InfillServer:
    """The server, wired and not started. The client's settings go before `model` and `device`."""
    # pygls logs user code at INFO and every error answer as a traceback.
    logging.getLogger("pygls").setLevel(logging.CRITICAL)
    server = InfillServer()

    @server.feature(t.INITIALIZE)
    def initialize(params: t.InitializeParams) -> None:
        encoding = t.PositionEncodingKind(server.workspace.position_encoding)
        support = ClientSupport.of(params.capabilities, params.initialization_options)
        settings = Settings(model=model, device=device)
        server.session = Session(server, support, encoding, settings, factory)
        server.watch_client(params.process_id)
        server.session.configure(configuration.section(params.initialization_options))

    @server.feature(t.INITIALIZED)
    def initialized(params: t.InitializedParams) -> None:
        server.session.initialized()

    @server.feature(t.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    def folders_changed(params: t.DidChangeWorkspaceFoldersParams) -> None:
        server.session.keep_indexes()

    @server.feature(t.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def configured(params: t.DidChangeConfigurationParams) -> None:
        await configuration.changed(server.session, params)

    def about_document(answer: DocumentAnswer) -> AtArrival:
        def begin(params: Any) -> Awaitable[Any]:
            uri = params.text_document.uri
            document = server.session.documents.get(uri)
            if document is None:
                log.warning("nothing is answered: %s", server.session.documents.why_absent(uri))
                return _nothing()
            if server.session.link.paused:
                return _nothing()
            return answer(server.session, document, params)

        return AtArrival(begin)

    def about_item(answer: Callable[[Session, Any], Awaitable[Any]]) -> AtArrival:
        return AtArrival(lambda params: answer(server.session, params))

    def wire(method: str, handler: AtArrival, options: Any = None) -> None:
        server.feature(method, options)(handler)

    wire(
        t.TEXT_DOCUMENT_INLINE_COMPLETION,
        about_document(counted(Kind.INLINE, inline_completion.answer)),
        inline_completion.OPTIONS,
    )
    wire(
        t.TEXT_DOCUMENT_COMPLETION,
        about_document(counted(Kind.COMPLETION, completion.answer)),
        completion.OPTIONS,
    )
    wire(t.COMPLETION_ITEM_RESOLVE, about_item(completion.resolve))
    wire(t.TEXT_DOCUMENT_CODE_ACTION, about_document(code_action.answer), code_action.OPTIONS)
    wire(t.CODE_ACTION_RESOLVE, about_item(code_action.resolve))
    wire(fill.METHOD, about_item(fill.answer))
    for command in execute_command.COMMANDS:
        server.command(command)(_nothing)
    # pygls lets a command that has been cancelled run to its end.
    server.protocol.fm.builtin_features[t.WORKSPACE_EXECUTE_COMMAND] = about_item(
        execute_command.answer
    )
    return server


def serve_stdio(
    model: str = "embedded", device: str | None = None, factory: str | None = None
) -> None:
    _run(create_server(model, device, factory), transport.over_stdio)


def serve_tcp(
    host: str,
    port: int,
    model: str = "embedded",
    device: str | None = None,
    factory: str | None = None,
) -> None:
    """Serves one client. The address, with the port chosen for port 0, is announced on stderr."""
    server = create_server(model, device, factory)
    _run(server, lambda server: transport.over_tcp(server, host, port))


def serve_ws(
    host: str,
    port: int,
    model: str = "embedded",
    device: str | None = None,
    factory: str | None = None,
) -> None:
    server = create_server(model, device, factory)
    _run(server, lambda server: transport.over_ws(server, host, port))


def _run(server: InfillServer, serve: Callable[[InfillServer], Coroutine[Any, Any, None]]) -> None:
    """Raises SystemExit where the end was not an orderly one, KeyboardInterrupt on ctrl-c."""
    # All that there is now stays: a full collection need not stop the loop 40 ms to look at it.
    gc.freeze()
    gc.enable()
    asyncio.run(server.run(serve))
    if server.exit_code:
        raise SystemExit(server.exit_code)


def counted(kind: Kind, answer: DocumentAnswer) -> DocumentAnswer:
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
