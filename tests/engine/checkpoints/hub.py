"""A Hugging Face hub on this machine, with one repository and faults to order."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from huggingface_hub.utils import close_session

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(slots=True)
class Fault:
    """What happens to one GET of a file: a status, or bytes cut after `cut`, or flipped."""

    status: int = 0
    code: str = ""
    cut: int | None = None
    flip: bool = False
    extra: bytes = b""


@dataclass(slots=True)
class Hub:
    """`faults[name]` are used up one per GET; `seen` are the requests: (path, range, token)."""

    repository: str
    files: dict[str, bytes]
    url: str = ""
    card: dict[str, Any] = field(default_factory=dict)
    ranges: bool = True
    listing: Fault = field(default_factory=Fault)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    seen: list[tuple[str, str | None, str | None]] = field(default_factory=list)

    def asked(self, name: str) -> list[str | None]:
        """The ranges that were asked of a file."""
        return [range_ for path, range_, _ in self.seen if path.endswith(f"/{name}")]

    def about(self) -> dict[str, Any]:
        siblings = []
        for name, content in self.files.items():
            entry: dict[str, Any] = {"rfilename": name, "size": len(content)}
            entry["blobId"] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            if name.endswith(".safetensors"):
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
            siblings.append(entry)
        about = {"id": self.repository, "sha": COMMIT, "siblings": siblings}
        return {**about, "cardData": self.card} if self.card else about


@contextmanager
def no_other_hub(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[None]:
    """No token, proxy or setting of this machine; models are kept in `folder`."""
    for name in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_TOKEN_PATH", str(folder / "no-token"))
    monkeypatch.setenv("INFILL_MODELS", str(folder / "models"))
    close_session()
    yield
    close_session()


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path  # of a proxied request, the path alone
            hub.seen.append((path, self.headers["Range"], self.headers["Authorization"]))
            if path == f"/api/models/{hub.repository}":
                self.answer(hub.listing, json.dumps(hub.about()).encode())
                return
            name = path.removeprefix(f"/{hub.repository}/resolve/{COMMIT}/")
            if name not in hub.files:
                self.answer(Fault(404, "EntryNotFound"), b"")
                return
            queue = hub.faults.get(name, [])
            self.answer(queue.pop(0) if queue else Fault(), hub.files[name])

        def answer(self, fault: Fault, content: bytes) -> None:
            if fault.status:
                self.send_response(fault.status)
                if fault.code:
                    self.send_header("X-Error-Code", fault.code)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start, asked = 0, self.headers["Range"]
            if asked and hub.ranges:
                start = int(asked.removeprefix("bytes=").rstrip("-"))
            body = content[start:] + fault.extra
            if fault.flip:
                body = bytes(each ^ 1 for each in body)
            self.send_response(206 if start else 200)
            if start:
                end = f"{len(content) - 1}/{len(content)}"
                self.send_header("Content-Range", f"bytes {start}-{end}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if fault.cut is None else body[: fault.cut])
            if fault.cut is not None:
                self.wfile.flush()
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
