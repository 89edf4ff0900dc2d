"""pygls's protocol, with the promises it does not keep: every request has exactly one answer.

What differs from pygls: parameters that cannot be read are answered -32602 (pygls answers nothing
and the client waits for ever); requests before `initialize` and after `shutdown` are answered with
the errors the specification names; documents are kept in our session, not in pygls's workspace,
whose lines are not the editor's; `exit` ends the transport's loop and not the interpreter.
"""

from __future__ import annotations

import asyncio
import json
import logging
from asyncio import Future
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from cattrs import transform_error
from lsprotocol import types as t
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol, lsp_method

if TYPE_CHECKING:
    from lsp_server.server import InfillServer

log = logging.getLogger(__name__)

Id = int | str | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that came but cannot be handled, and what to answer where it has an id."""

    id: Id
    code: int
    message: str
    is_response: bool = False


class AtArrival:
    """A request handler in two parts: the call runs as the message arrives, the awaitable later.

    An `async def` alone begins a moment after its message, when the next message may already have
    changed the document it is about. So the call takes the snapshot.
    """

    def __init__(self, begin: Callable[[Any], Awaitable[Any]]) -> None:
        self._begin = begin

    def __call__(self, params: Any) -> Awaitable[Any]:
        return self._begin(params)


class InfillProtocol(LanguageServerProtocol):
    _initialized = False

    @property
    def _infill(self) -> InfillServer:
        return cast("InfillServer", self._server)

    def read(self, body: bytes) -> Any:
        """The message in `body`. Never raises, and touches nothing: any thread may call it."""
        try:
            data = json.loads(body)
        except ValueError as error:
            return Unreadable(None, t.ErrorCodes.ParseError, f"this is no JSON: {error}")
        if not isinstance(data, dict) or data.get("jsonrpc") != self.VERSION:
            id = data.get("id") if isinstance(data, dict) else None
            return Unreadable(id, t.ErrorCodes.InvalidRequest, "a message is a JSON-RPC 2.0 object")
        try:
            return self.structure_message(data)
        except Exception as error:
            return self._unreadable(data, error)

    def receive(self, message: Any) -> None:
        """Handle what `read` gave. Never raises; on the event loop only."""
        try:
            if isinstance(message, Unreadable):
                self._answer_unreadable(message)
            else:
                self.handle_message(message)
        except Exception:
            log.exception("a message could not be handled")

    def _unreadable(self, data: dict[str, Any], error: Exception) -> Unreadable:
        id, method = data.get("id"), data.get("method")
        if method is None:
            return Unreadable(id, t.ErrorCodes.InvalidParams, str(error), is_response=True)
        if self.get_message_type(method) is None:
            return Unreadable(id, t.ErrorCodes.MethodNotFound, f"no method {method}")
        detail = "; ".join(transform_error(error.__cause__ or error, path="message"))
        return Unreadable(
            id, t.ErrorCodes.InvalidParams, f"the parameters of {method} cannot be read: {detail}"
        )

    def _answer_unreadable(self, message: Unreadable) -> None:
        log.info("unreadable message: %s", message.message)
        error = t.ResponseError(code=message.code, message=message.message)
        if message.is_response:
            if message.id is not None:
                self._handle_response(message.id, error=error)
        elif message.id is not None or message.code != t.ErrorCodes.InvalidParams:
            # lsprotocol would leave a null id out, which JSON-RPC wants to see.
            answer = {"jsonrpc": self.VERSION, "id": message.id}
            self._send_data({**answer, "error": {"code": error.code, "message": error.message}})

    def handle_message(self, message: Any) -> None:
        method, id = getattr(message, "method", None), getattr(message, "id", None)
        if method is not None and id is not None:
            problem = self._refusal(method)
            if problem is not None:
                self._send_response(id, error=problem)
                return
        elif method not in (None, t.EXIT) and not self._initialized:
            return  # the specification: notifications before initialize are dropped
        if method == t.INITIALIZE:
            self._initialized = True
        super().handle_message(message)

    def _refusal(self, method: str) -> t.ResponseError | None:
        if self._shutdown:
            return t.ResponseError(t.ErrorCodes.InvalidRequest, "the server is shutting down")
        if method == t.INITIALIZE:
            again = t.ResponseError(t.ErrorCodes.InvalidRequest, "already initialized")
            return again if self._initialized else None
        if not self._initialized:
            return t.ResponseError(t.ErrorCodes.ServerNotInitialized, "not initialized yet")
        return None

    def _execute_handler(
        self,
        msg_id: Any,
        handler: Any,
        callback: Any,
        args: Any = None,
        kwargs: Any = None,
    ) -> None:
        if not isinstance(handler, AtArrival):
            super()._execute_handler(msg_id, handler, callback, args, kwargs)
            return
        future: Any = asyncio.ensure_future(handler(*args))
        self._request_futures[msg_id] = future
        future.add_done_callback(callback)

    @lsp_method(t.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: t.DidOpenTextDocumentParams) -> None:
        self._infill.session.open(params.text_document)

    @lsp_method(t.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: t.DidChangeTextDocumentParams) -> None:
        self._infill.session.change(params)

    @lsp_method(t.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: t.DidCloseTextDocumentParams) -> None:
        self._infill.session.close_document(params.text_document.uri)

    @lsp_method(t.NOTEBOOK_DOCUMENT_DID_OPEN)
    def lsp_notebook_document__did_open(self, params: t.DidOpenNotebookDocumentParams) -> None:
        self._infill.session.notebooks.opened(params)

    @lsp_method(t.NOTEBOOK_DOCUMENT_DID_CHANGE)
    def lsp_notebook_document__did_change(self, params: t.DidChangeNotebookDocumentParams) -> None:
        self._infill.session.notebooks.changed(params)

    @lsp_method(t.NOTEBOOK_DOCUMENT_DID_CLOSE)
    def lsp_notebook_document__did_close(self, params: t.DidCloseNotebookDocumentParams) -> None:
        self._infill.session.notebooks.closed(params)

    @lsp_method(t.SHUTDOWN)
    def lsp_shutdown(self, *_: Any) -> None:  # type: ignore[override]
        for id, future in list(self._request_futures.items()):
            if id != self.msg_id:
                future.cancel()
        self._shutdown = True
        self._infill.session.close()

    async def cancel_requests(self) -> None:
        """Answer what is still open with RequestCancelled."""
        pending: list[Any] = list(self._request_futures.values())
        futures: list[Future[Any]] = [each for each in pending if isinstance(each, Future)]
        for future in futures:
            future.cancel()
        if futures:
            await asyncio.wait(futures, timeout=1)

    @lsp_method(t.EXIT)
    def lsp_exit(self, *_: Any) -> None:  # type: ignore[override]
        self._infill.stop(0 if self._shutdown else 1)


def failed(message: str, code: int = t.LSPErrorCodes.RequestFailed) -> JsonRpcException:
    """The error answer of a request that the user has asked for by hand: editors show it."""
    return JsonRpcException(message, code=code)
