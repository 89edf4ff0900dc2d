"""pygls's protocol, with the promises it does not keep: every request has exactly one answer.

What differs from pygls: parameters are read leniently (`reading`, `sync`), and those that cannot be
read are answered -32602 (pygls answers nothing and the client waits for ever); so are requests with
a notification's name, requests before `initialize` and after `shutdown`, with the errors that the
specification names; documents are kept in our session, not in pygls's workspace, whose lines are
not the editor's; `exit` ends the transport's loop and not the interpreter.
"""

from __future__ import annotations

import asyncio
import json
import logging
from asyncio import Future
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, cast

import attrs
from cattrs import transform_error
from lsprotocol import types as t
from pygls.exceptions import JsonRpcException
from pygls.protocol import JsonRPCNotification, LanguageServerProtocol, lsp_method

from lsp_server.framing import Refused

if TYPE_CHECKING:
    from lsp_server.session import Session

log = logging.getLogger(__name__)

Id = int | str | None


class Served(Protocol):
    """What the protocol needs of its server. `session` is there from `initialize` on."""

    @property
    def session(self) -> Session: ...

    @property
    def is_initialized(self) -> bool: ...

    def begin(self) -> None: ...

    def stop(self, exit_code: int) -> None: ...


class Kind(Enum):
    REQUEST = "request"
    NOTIFICATION = "notification"
    RESPONSE = "response"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that came but cannot be handled, and what to answer where it has an id."""

    id: Id
    code: int
    message: str
    kind: Kind = Kind.REQUEST


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
    def _served(self) -> Served:
        return cast("Served", self._server)

    def read(self, frame: bytes | Refused) -> Any:
        """The message in `frame`. Never raises, and touches nothing: any thread may call it."""
        if isinstance(frame, Refused):
            return Unreadable(None, t.ErrorCodes.InvalidRequest, frame.reason)
        try:
            data = json.loads(frame)
        except (ValueError, RecursionError, MemoryError) as error:
            return Unreadable(None, t.ErrorCodes.ParseError, f"this is no JSON: {error}")
        try:
            return self._read_object(data)
        except Exception as error:
            # Not with the error's own words: they may hold what the message holds.
            log.error("a message could not be read: %s", type(error).__name__)
            id = data.get("id") if isinstance(data, dict) else None
            return Unreadable(_usable(id), t.ErrorCodes.InternalError, "it could not be read")

    def receive(self, message: Any) -> None:
        """Handle what `read` gave. Never raises; on the event loop only."""
        try:
            if isinstance(message, Unreadable):
                self._answer_unreadable(message)
            else:
                self.handle_message(message)
        except Exception:
            log.exception("a message could not be handled")

    def _read_object(self, data: Any) -> Any:
        """What a message is, its id and its method alone decide, whatever else it bears."""
        given = data if isinstance(data, dict) else {}
        id, method = given.get("id"), given.get("method")
        kind = Kind.REQUEST if "id" in given or method is None else Kind.NOTIFICATION
        if given.get("jsonrpc") != self.VERSION:
            return _invalid(_usable(id), "a message is a JSON-RPC 2.0 object")
        if method is None and "id" in given and ("result" in given or "error" in given):
            kind = Kind.RESPONSE
        if "id" in given and _usable(id) is None:
            return _invalid(None, "an id is a string or an integer", kind)
        if kind is Kind.RESPONSE or (method is None and id in self._result_types):
            return self._read_response(id, given)
        if not isinstance(method, str):
            return _invalid(id, "a method is a string", kind)
        return self._read_call(kind, id, method, given.get("params"))

    def _read_call(self, kind: Kind, id: Id, method: str, params: Any) -> Any:
        expected = self._kind_of(method)
        if expected is None and kind is Kind.REQUEST:
            return Unreadable(id, t.ErrorCodes.MethodNotFound, f"no method {method}")
        if expected not in (None, kind):
            return _invalid(id, f"{method} is a {expected.value}, not a {kind.value}", kind)
        if kind is Kind.NOTIFICATION:
            from lsp_server import sync  # here, as `initialize` can do without it

            if (reader := sync.READERS.get(method)) is not None:
                return JsonRPCNotification(method, self.VERSION, reader(params))
        message: dict[str, Any] = {"jsonrpc": self.VERSION, "method": method}
        if kind is Kind.REQUEST:
            message["id"] = id
        if params is not None or self.get_message_type(method) is None:
            message["params"] = params
        try:
            return self.structure_message(message)
        except Exception as error:
            detail = "; ".join(transform_error(error.__cause__ or error, path="message"))
            problem = f"the parameters of {method} cannot be read: {detail}"
            return Unreadable(id, t.ErrorCodes.InvalidParams, problem, kind)

    def _read_response(self, id: Id, data: dict[str, Any]) -> Any:
        """A result that is left out is null: some clients leave out what is undefined."""
        outcome = "result" if data.get("error") is None else "error"
        message = {"jsonrpc": self.VERSION, "id": id, outcome: data.get(outcome)}
        try:
            return self.structure_message(message)
        except Exception as error:
            return Unreadable(id, t.ErrorCodes.InvalidParams, str(error), Kind.RESPONSE)

    def _kind_of(self, method: str) -> Kind | None:
        """What messages with the name `method` are; None where nobody knows it."""
        known = self.get_message_type(method)
        if known is not None:
            return Kind.REQUEST if "id" in attrs.fields_dict(known) else Kind.NOTIFICATION
        return Kind.REQUEST if method in self.fm.features else None

    def _answer_unreadable(self, message: Unreadable) -> None:
        log.info("unreadable message: %s", message.message)
        error = t.ResponseError(code=message.code, message=message.message)
        if message.kind is Kind.RESPONSE:
            self._handle_response(message.id, error=error)
        elif message.kind is Kind.REQUEST:
            # lsprotocol would leave a null id out, which JSON-RPC wants to see.
            answer = {"jsonrpc": self.VERSION, "id": message.id}
            self._send_data({**answer, "error": {"code": error.code, "message": error.message}})

    def _handle_response(
        self, msg_id: Any, result: Any = None, error: t.ResponseError | None = None
    ) -> None:
        """Only what we have asked can be answered: pygls keeps the client's requests there too."""
        future = self._request_futures.get(msg_id)
        if not isinstance(future, asyncio.Future):
            super()._handle_response(msg_id, result, error)

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
            # Not needed, and pygls fails where it cannot be parsed.
            message.params.root_path = message.params.root_uri = None
        super().handle_message(message)
        if method == t.INITIALIZE:
            self._initialized = self._served.is_initialized
            if self._initialized:
                asyncio.get_running_loop().call_soon(self._served.begin)

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

    # The parameters of these are read by `sync`.

    @lsp_method(t.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: Any) -> None:
        self._served.session.documents.apply(params)

    @lsp_method(t.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: Any) -> None:
        self._served.session.documents.apply(params)

    @lsp_method(t.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: Any) -> None:
        self._served.session.documents.apply(params)

    @lsp_method(t.NOTEBOOK_DOCUMENT_DID_OPEN)
    def lsp_notebook_document__did_open(self, params: Any) -> None:
        self._served.session.notebooks.apply(params)

    @lsp_method(t.NOTEBOOK_DOCUMENT_DID_CHANGE)
    def lsp_notebook_document__did_change(self, params: Any) -> None:
        self._served.session.notebooks.apply(params)

    @lsp_method(t.NOTEBOOK_DOCUMENT_DID_CLOSE)
    def lsp_notebook_document__did_close(self, params: Any) -> None:
        self._served.session.notebooks.apply(params)

    @lsp_method(t.SHUTDOWN)
    def lsp_shutdown(self, *_: Any) -> None:  # type: ignore[override]
        for id, future in list(self._request_futures.items()):
            if id != self.msg_id:
                future.cancel()
        self._shutdown = True
        self._served.session.close()

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
        self._served.stop(0 if self._shutdown else 1)


def _invalid(id: Id, problem: str, kind: Kind = Kind.REQUEST) -> Unreadable:
    return Unreadable(id, t.ErrorCodes.InvalidRequest, problem, kind)


def _usable(id: Any) -> Id:
    """`id`, or None where no answer can bear it."""
    return id if isinstance(id, int | str) and not isinstance(id, bool) else None


def failed(message: str, code: int = t.LSPErrorCodes.RequestFailed) -> JsonRpcException:
    """The error answer of a request that the user has asked for by hand: editors show it."""
    return JsonRpcException(message, code=code)
