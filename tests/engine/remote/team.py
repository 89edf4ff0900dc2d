"""A small server of our own on a loopback port: its answers are scripted, requests are kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from engine.api import FillRequest, Shape

LINE = FillRequest(("def add(a, b):\n    return ", "\n"), path="/home/me/sums.py", shape=Shape.LINE)
OTHER = "some/coder"

Answer = Callable[["Handler"], None]


class Team(ThreadingHTTPServer):
    """`answers` by path, in order, the last for ever; `asked` is what came in."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, Any, dict[str, str]]] = []
        self.ports: list[int] = []  # of our ends, request by request
        self.broken = threading.Event()
        self.models: list[dict[str, Any]] = [{"id": OTHER, "owned_by": "somebody"}]
        self.answers: dict[str, list[Answer]] = {
            "/v1/models": [lambda handler: handler.json({"object": "list", "data": self.models})],
        }

    def handle_error(self, request: Any, client_address: Any) -> None:
        self.broken.set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def bodies(self, path: str = "/v1/chat/completions") -> list[Any]:
        return [body for asked, body, _ in self.asked if asked == path]

    def on(self, path: str, *answers: Answer) -> None:
        self.answers[path] = list(answers)

    def chat(self, *answers: Answer) -> None:
        self.on("/v1/chat/completions", *answers)


class Handler(BaseHTTPRequestHandler):
    server: Team
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, body: Any) -> None:
        self.body = body
        self.server.ports.append(self.client_address[1])
        self.server.asked.append((self.path, body, dict(self.headers)))
        answers = self.server.answers.get(self.path, [not_found])
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def json(self, document: Any, status: int = 200, **headers: str) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def begin_stream(self, kind: str = "text/event-stream") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")
        self.end_headers()

    def event(self, document: Any) -> None:
        self.raw(b"data: " + json.dumps(document).encode() + b"\n\n")

    def line(self, document: Any) -> None:
        self.raw(json.dumps(document).encode() + b"\n")

    def raw(self, content: bytes) -> None:
        self.wfile.write(content)
        self.wfile.flush()

    def say(
        self, text: str | None, finish: str | None = None, logprobs: list[float] | None = None
    ) -> None:
        choice: dict[str, Any] = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
        if logprobs is not None:
            content = [{"token": "?", "logprob": each} for each in logprobs]
            choice["logprobs"] = {"content": content}
        self.event({"choices": [choice]})


def status(code: int, message: str = "because", **headers: str) -> Answer:
    return lambda handler: handler.json({"error": {"message": message}}, code, **headers)


def not_found(handler: Handler) -> None:
    """As servers made with FastAPI answer."""
    handler.json({"detail": "Not Found"}, 404)


def stream(
    *pieces: str, whole: bool = True, finish: str = "stop", logprob: float | None = None
) -> Answer:
    """A streamed chat, with what real servers send around its text."""

    def answer(handler: Handler) -> None:
        handler.begin_stream()
        handler.raw(b": keepalive\n\n")
        handler.say(None)
        for piece in pieces:
            handler.say(piece, logprobs=None if logprob is None else [logprob])
        if whole:
            handler.say(None, finish)
            handler.raw(b'data: {"choices": [], "usage": {}}\n\ndata: [DONE]\n\n')

    return answer


def events(*documents: Any) -> Answer:
    def answer(handler: Handler) -> None:
        handler.begin_stream()
        for document in documents:
            handler.event(document)
        handler.raw(b"data: [DONE]\n\n")

    return answer


def raw(content: bytes) -> Answer:
    def answer(handler: Handler) -> None:
        handler.wfile.write(content)
        handler.close_connection = True

    return answer
