"""`infill-ls playground`: a page to place holes in code and to watch the canvas resolve.

One port of this machine serves the page and, over a web socket, a language server for each tab and
each model that is compared there. The address carries a token; without it, or from a page of
another origin, nothing is served. Beside the page's files there are two answers in JSON: `/about`,
the versions and the models to compare, and `/floor`, the least time of a step on this machine.
"""

from __future__ import annotations

import asyncio
import json
import platform
import secrets
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qs, urlsplit

import typer

from engine.checkpoints import catalog
from lsp_server import __version__
from lsp_server.commands.doctor.asking import NoAnswer, ask_module
from lsp_server.commands.fault import FAILED, CommandError
from lsp_server.commands.options import Device, Factory, Model
from lsp_server.commands.serve import LOCAL

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

SOCKET, ABOUT, FLOOR = "/lsp", "/about", "/floor"
FLOOR_PATIENCE = 60.0  # seconds: torch is imported, and the machine's rates are measured
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
    beside: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME-or-folder",
            help="A model to compare with, on the same holes; may be given several times.",
        ),
    ] = None,
    device: Device = None,
    factory: Factory = None,
) -> None:
    """Place holes in code on a local page, and watch the canvas resolve step by step.

    Models that were pulled can be compared without being named.
    """
    models = dict.fromkeys([model, *(beside or ()), *([] if factory else catalog.here())])
    playground = Playground(secrets.token_urlsafe(16), tuple(models), device, factory)
    try:
        asyncio.run(playground.serve(port, webbrowser.open if browser else None))
    except OSError as error:
        cause = error.strerror or str(error)
        raise CommandError(f"port {port}: {cause}: give another --port", FAILED) from error


class Playground:
    """Answers the page's requests; `token` is what the address has to carry, `models` are those
    that may be asked, the first of them unless the page says otherwise."""

    def __init__(
        self, token: str, models: Sequence[str], device: str | None, factory: str | None
    ) -> None:
        self._token = token
        self._models = models
        self._device, self._factory = device, factory
        self._origin = ""
        self._floors: dict[tuple[str, int], asyncio.Task[dict[str, Any]]] = {}

    async def serve(self, port: int, show: Callable[[str], object] | None = None) -> None:
        """Until cancelled. `show` is called with the page's address. Raises OSError."""
        from websockets.asyncio.server import serve

        async with serve(
            self._connected,
            LOCAL,
            port,
            process_request=self.answer,
            open_timeout=2 * FLOOR_PATIENCE,
            max_size=None,
        ) as listener:
            bound = next(iter(listener.sockets)).getsockname()[1]
            self._origin = f"http://{LOCAL}:{bound}"
            address = f"{self._origin}/?token={self._token}"
            print(f"the playground is at {address}\nctrl-c ends it", flush=True)
            if show is not None:
                await asyncio.to_thread(show, address)
            await asyncio.get_running_loop().create_future()

    async def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """A file of the page, a refusal, or None: then the web socket opens."""
        asked = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(asked.query).items()}
        # A name that leads here from elsewhere is another site's: its pages must not reach us.
        if f"http://{request.headers.get('Host')}" != self._origin:
            return connection.respond(HTTPStatus.FORBIDDEN, f"this is {self._origin}\n")
        name = asked.path.removeprefix("/") or "index.html"
        is_answer = asked.path in (SOCKET, ABOUT, FLOOR)
        if not is_answer and name not in FILES:
            return connection.respond(HTTPStatus.NOT_FOUND, "there is no such page\n")
        if is_answer or name == "index.html":
            if not secrets.compare_digest(query.get("token", "").encode(), self._token.encode()):
                return connection.respond(
                    HTTPStatus.FORBIDDEN, "open the address that infill-ls has printed\n"
                )
            if query.get("model", self._models[0]) not in self._models:
                return connection.respond(HTTPStatus.FORBIDDEN, "that model was not named\n")
        if asked.path == SOCKET:
            if request.headers.get("Origin") == self._origin:
                return None
            return connection.respond(HTTPStatus.FORBIDDEN, "this is another page's socket\n")
        if asked.path == ABOUT:
            return _json(connection, self._about())
        if asked.path == FLOOR:
            return _json(connection, await self._floor(query))
        return _file(connection, name)

    def _about(self) -> dict[str, Any]:
        return {
            "version": __version__,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "models": list(self._models),
        }

    async def _floor(self, query: Mapping[str, str]) -> dict[str, Any]:
        """{seconds, ...} as engine.measure.step_floor has them, measured once for a model and a
        size of canvases; without `seconds` where that cannot be known."""
        model, tokens = query.get("model", self._models[0]), query.get("canvas", "")
        if self._factory is not None or "://" in model or not tokens.isdecimal():
            return {"error": "the floor of this model is not known"}
        key = (model, int(tokens))
        if key not in self._floors:
            given = ["--model", model, "--canvas", tokens]
            given += ["--device", self._device] if self._device else []
            self._floors[key] = asyncio.create_task(_ask_for_floor(given))
        return await asyncio.shield(self._floors[key])

    async def _connected(self, socket: ServerConnection) -> None:
        from lsp_server.server import create_server
        from lsp_server.transport import over_socket

        assert socket.request is not None
        query = parse_qs(urlsplit(socket.request.path).query)
        model = query.get("model", [self._models[0]])[0]
        server = create_server(model, self._device, self._factory)
        await server.run(lambda server: over_socket(server, socket))


async def _ask_for_floor(arguments: Sequence[str]) -> dict[str, Any]:
    try:
        return await asyncio.to_thread(
            ask_module, FLOOR_PATIENCE, "engine.measure.step_floor", *arguments
        )
    except NoAnswer as error:
        return {"error": str(error)}


def _json(connection: ServerConnection, answer: Mapping[str, Any]) -> Response:
    return _answer(connection, "application/json", json.dumps(answer).encode())


def _file(connection: ServerConnection, name: str) -> Response:
    packed = (resources.files("lsp_server") / "playground" / f"{name}.gz").read_bytes()
    response = _answer(connection, FILES[name], packed)
    response.headers["Content-Encoding"] = "gzip"
    return response


def _answer(connection: ServerConnection, kind: str, body: bytes) -> Response:
    response = connection.respond(HTTPStatus.OK, "")
    response.body = body
    headers = response.headers
    for header in ("Content-Type", "Content-Length"):
        del headers[header]
    headers["Content-Type"] = kind
    headers["Content-Length"] = str(len(body))
    headers["Content-Security-Policy"] = POLICY
    headers["Cache-Control"] = "no-store"
    headers["Referrer-Policy"] = "no-referrer"
    headers["X-Content-Type-Options"] = "nosniff"
    return response
