"""`infill-ls playground`: a page to place holes in code and to watch the canvas resolve.

One port of this machine serves the page and, over a web socket, a language server per tab. The
address carries a token; without it, or from a page of another origin, nothing is served.
"""

from __future__ import annotations

import asyncio
import secrets
import webbrowser
from collections.abc import Callable, Mapping
from http import HTTPStatus
from importlib import resources
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qs, urlsplit

import typer

from lsp_server.commands.fault import FAILED, CommandError
from lsp_server.commands.options import Device, Factory, Model
from lsp_server.commands.serve import LOCAL

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

SOCKET = "/lsp"
# What the page is made of, and its type; the files lie here compressed.
FILES: Mapping[str, str] = {
    "index.html": "text/html; charset=utf-8",
    "playground.js": "text/javascript; charset=utf-8",
    "playground.css": "text/css; charset=utf-8",
    "worker.js": "text/javascript; charset=utf-8",
}
# Monaco writes style attributes; its icons are a font inside the style sheet.
POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self';"
    " style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def command(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Which port; 0 takes one that is free.")
    ] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    model: Model = "embedded",
    device: Device = None,
    factory: Factory = None,
) -> None:
    """Place holes in code on a local page, and watch the canvas resolve step by step."""
    playground = Playground(secrets.token_urlsafe(16), model, device, factory)
    try:
        asyncio.run(playground.serve(port, webbrowser.open if browser else None))
    except OSError as error:
        cause = error.strerror or str(error)
        raise CommandError(f"port {port}: {cause}: give another --port", FAILED) from error


class Playground:
    """Answers the page's requests; `token` is what the address has to carry."""

    def __init__(self, token: str, model: str, device: str | None, factory: str | None) -> None:
        self._token = token
        self._served_by = (model, device, factory)
        self._origin = ""

    async def serve(self, port: int, show: Callable[[str], object] | None = None) -> None:
        """Until cancelled. `show` is called with the page's address. Raises OSError."""
        from websockets.asyncio.server import serve

        async with serve(
            self._connected, LOCAL, port, process_request=self.answer, max_size=None
        ) as listener:
            bound = next(iter(listener.sockets)).getsockname()[1]
            self._origin = f"http://{LOCAL}:{bound}"
            address = f"{self._origin}/?token={self._token}"
            print(f"the playground is at {address}\nctrl-c ends it", flush=True)
            if show is not None:
                await asyncio.to_thread(show, address)
            await asyncio.get_running_loop().create_future()

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """A file of the page, a refusal, or None: then the web socket opens."""
        asked = urlsplit(request.path)
        # A name that leads here from elsewhere is another site's: its pages must not reach us.
        if f"http://{request.headers.get('Host')}" != self._origin:
            return connection.respond(HTTPStatus.FORBIDDEN, f"this is {self._origin}\n")
        if asked.path == SOCKET:
            if request.headers.get("Origin") == self._origin and self._has_token(asked.query):
                return None
            return connection.respond(HTTPStatus.FORBIDDEN, "the token is missing or wrong\n")
        name = asked.path.removeprefix("/") or "index.html"
        if name not in FILES:
            return connection.respond(HTTPStatus.NOT_FOUND, "there is no such page\n")
        if name == "index.html" and not self._has_token(asked.query):
            return connection.respond(
                HTTPStatus.FORBIDDEN, "open the address that infill-ls has printed\n"
            )
        return _file(connection, name)

    def _has_token(self, query: str) -> bool:
        given = parse_qs(query).get("token", [""])[0]
        return secrets.compare_digest(given.encode(), self._token.encode())

    async def _connected(self, socket: ServerConnection) -> None:
        from lsp_server.server import create_server
        from lsp_server.transport import over_socket

        model, device, factory = self._served_by
        server = create_server(model, device, factory)
        await server.run(lambda server: over_socket(server, socket))


def _file(connection: ServerConnection, name: str) -> Response:
    response = connection.respond(HTTPStatus.OK, "")
    response.body = (resources.files("lsp_server") / "playground" / f"{name}.gz").read_bytes()
    headers = response.headers
    for header in ("Content-Type", "Content-Length"):
        del headers[header]
    headers["Content-Type"] = FILES[name]
    headers["Content-Length"] = str(len(response.body))
    headers["Content-Encoding"] = "gzip"
    headers["Content-Security-Policy"] = POLICY
    headers["Cache-Control"] = "no-store"
    headers["Referrer-Policy"] = "no-referrer"
    headers["X-Content-Type-Options"] = "nosniff"
    return response
