"""The pygls server: capabilities, wiring, lifecycle. What a method does is in features/."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from lsprotocol import types as t
from pygls.exceptions import JsonRpcException, JsonRpcInternalError
from pygls.lsp.server import LanguageServer

from lsp_server import __version__, capabilities, transport
from lsp_server.process import ended
from lsp_server.protocol import AtArrival, InfillProtocol
from lsp_server.reading import lenient_converter

if TYPE_CHECKING:
    from lsp_server.answers import Answer
    from lsp_server.session import Session

log = logging.getLogger(__name__)


class InfillServer(LanguageServer):
    """One client, one session. An editor waits for the answer to `initialize`, so it is given
    before what the other answers need has been imported, and the session made: see `begin`.
    """

    protocol: InfillProtocol

    def __init__(self, model: str, device: str | None, factory: str | None) -> None:
        super().__init__(
            "infill-ls",
            __version__,
            protocol_cls=InfillProtocol,
            converter_factory=lenient_converter,
            notebook_document_sync=capabilities.NOTEBOOKS,
        )
        self._model = model
        self._device = device
        self._factory = factory
        self._client: t.InitializeParams | None = None
        self._session: Session | None = None
        self._answers: dict[str, Answer] = {}
        self.on_begun: Callable[[], None] = lambda: None
        self.exit_code = 0
        # On stdio: another process may hold the pipe open that the client has left. A client on a
        # socket may be on another machine, where its process id means another process.
        self.ends_with_client = False
        self._stopping: asyncio.Event | None = None
        self._watch: asyncio.Future[None] | None = None

    @property
    def is_initialized(self) -> bool:
        return self._client is not None

    @property
    def session(self) -> Session:
        """From `initialize` on; AttributeError before."""
        self.begin()
        assert self._session is not None
        return self._session

    def initialized_by(self, client: t.InitializeParams) -> None:
        self._client = client
        self.watch_client(client.process_id)

    def begin(self) -> None:
        """Import what answers, and make the session: after the answer to `initialize`."""
        if self._session is None:
            from lsp_server.answers import ANSWERS

            self._answers = ANSWERS
            self._session = self._made_session()
            self.on_begun()

    def answer(self, method: str, params: Any) -> Awaitable[Any]:
        """Called as a request arrives, awaited later, see AtArrival."""
        session = self.session
        return self._answers[method](session, params)

    def _made_session(self) -> Session:
        from lsp_server.features import configuration
        from lsp_server.session import Session
        from lsp_server.settings import Settings
        from lsp_server.support import ClientSupport

        if self._client is None:
            raise AttributeError("there is no session before initialize")
        options = self._client.initialization_options
        session = Session(
            self,
            ClientSupport.of(self._client.capabilities, options),
            t.PositionEncodingKind(self.workspace.position_encoding),
            Settings(model=self._model, device=self._device),
            self._factory,
        )
        session.configure(configuration.section(options))
        return session

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
            if self._session is not None:
                self._session.close()


def create_server(
    model: str = "embedded", device: str | None = None, factory: str | None = None
) -> InfillServer:
    """The server, wired and not started. The client's settings go before `model` and `device`."""
    # pygls logs user code at INFO and every error answer as a traceback.
    logging.getLogger("pygls").setLevel(logging.CRITICAL)
    server = InfillServer(model, device, factory)

    @server.feature(t.INITIALIZE)
    def initialize(params: t.InitializeParams) -> None:
        server.initialized_by(params)

    @server.feature(t.INITIALIZED)
    def initialized(params: t.InitializedParams) -> None:
        server.session.initialized()

    @server.feature(t.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    def folders_changed(params: t.DidChangeWorkspaceFoldersParams) -> None:
        server.session.keep_indexes()

    @server.feature(t.TEXT_DOCUMENT_DID_SAVE, t.SaveOptions(include_text=False))
    def saved(params: t.DidSaveTextDocumentParams) -> None:
        server.session.files_changed([params.text_document.uri])

    @server.feature(t.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def files_changed(params: t.DidChangeWatchedFilesParams) -> None:
        server.session.files_changed(each.uri for each in params.changes)

    @server.feature(t.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def configured(params: t.DidChangeConfigurationParams) -> None:
        from lsp_server.features import configuration

        await configuration.changed(server.session, params)

    for method, options in capabilities.REQUESTS.items():
        server.feature(method, options)(AtArrival(partial(server.answer, method)))
    for command in capabilities.COMMANDS:
        server.command(command)(_nothing)
    # pygls lets a command that has been cancelled run to its end.
    execute = AtArrival(partial(server.answer, t.WORKSPACE_EXECUTE_COMMAND))
    server.protocol.fm.builtin_features[t.WORKSPACE_EXECUTE_COMMAND] = execute
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
    server.on_begun = _collect_garbage
    asyncio.run(server.run(serve))
    if server.exit_code:
        raise SystemExit(server.exit_code)


def _collect_garbage() -> None:
    """From now on. All that there is stays: a full collection need not stop the loop 40 ms to look
    at it."""
    gc.freeze()
    gc.enable()


async def _nothing() -> None:
    return None
