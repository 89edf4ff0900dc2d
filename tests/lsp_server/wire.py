"""A client of bytes: what it sends need be no message, and what the server says is all kept."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from lsp_server.framing import Framing
from tests.lsp_server.conftest import PATIENCE, server_command

URI = "file:///sane.py"
TEXT = "total = "
FILL = "a + b"


def framed(message: Any, header: str = "Content-Length: {}\r\n\r\n") -> bytes:
    if not isinstance(message, bytes):
        message = json.dumps({"jsonrpc": "2.0", **message}).encode()
    return header.format(len(message)).encode() + message


class Wire:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.answers: dict[Any, list[dict[str, Any]]] = {}
        self.shown: list[str] = []
        self.log = b""
        self._news = asyncio.Condition()
        self._tasks = [asyncio.ensure_future(each) for each in (self._listen(), self._keep_log())]

    def send(self, *messages: Any) -> None:
        """Objects are made messages, bytes are sent as they are."""
        assert self.process.stdin is not None
        for message in messages:
            self.process.stdin.write(message if isinstance(message, bytes) else framed(message))

    def initialize(self, **params: Any) -> None:
        params = {"capabilities": {}, "initializationOptions": {"speculate": False}, **params}
        self.send({"id": "hello", "method": "initialize", "params": params})
        self.send({"method": "initialized", "params": {}})

    def open(self, uri: str = URI, text: str = TEXT, language: str = "python") -> None:
        item = {"uri": uri, "languageId": language, "version": 1, "text": text}
        self.send({"method": "textDocument/didOpen", "params": {"textDocument": item}})

    def change(self, changes: Any, version: Any = 2, uri: Any = URI) -> None:
        params = {"textDocument": {"uri": uri, "version": version}, "contentChanges": changes}
        self.send({"method": "textDocument/didChange", "params": params})

    async def fill(self, id: Any, uri: str = URI, at: tuple[int, int] = (0, len(TEXT))) -> Any:
        """The ghost text asked for by hand at `at`, None where there is none."""
        answer = await self.ask(id, "textDocument/inlineCompletion", inline(uri, at))
        items = (answer["result"] or {"items": []})["items"]
        return items[0]["insertText"] if items else None

    async def ask(self, id: Any, method: str, params: Any) -> dict[str, Any]:
        self.send({"id": id, "method": method, "params": params})
        return await self.answer(id)

    async def answer(self, id: Any) -> dict[str, Any]:
        async with self._news:
            await asyncio.wait_for(
                self._news.wait_for(lambda: id in self.answers or self._tasks[0].done()), PATIENCE
            )
        (answer,) = self.answers[id]
        return answer

    async def end(self) -> int:
        """The exit code after the end of the input, of which nothing else has told the server."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        code = await asyncio.wait_for(self.process.wait(), PATIENCE)
        await asyncio.wait_for(asyncio.gather(*self._tasks), PATIENCE)
        return code

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        framing = Framing()
        while data := await self.process.stdout.read(1 << 16):
            for body in framing.feed(data):
                assert isinstance(body, bytes)
                message = json.loads(body)
                if "method" not in message:
                    self.answers.setdefault(message["id"], []).append(message)
                elif message["method"] == "window/showMessage":
                    self.shown.append(message["params"]["message"])
                async with self._news:
                    self._news.notify_all()
        async with self._news:
            self._news.notify_all()

    async def _keep_log(self) -> None:
        assert self.process.stderr is not None
        self.log = await self.process.stderr.read()

    def counts(self) -> Counter[Any]:
        return Counter({id: len(each) for id, each in self.answers.items()})


def inline(uri: str, at: Sequence[int]) -> dict[str, Any]:
    position = {"line": at[0], "character": at[1]}
    context = {"triggerKind": 1}
    return {"textDocument": {"uri": uri}, "position": position, "context": context}


@contextlib.asynccontextmanager
async def wire(folder: Path, *options: str, **environment: str) -> AsyncIterator[Wire]:
    """The real server on pipes, with a scripted engine that always fills with FILL."""
    script = folder / "wire.json"
    script.write_text(json.dumps({"fills": [{"text": FILL, "confidence": 0.9}]}))
    process = await asyncio.create_subprocess_exec(
        *server_command(script),
        *options,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    client = Wire(process)
    try:
        yield client
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await asyncio.gather(*client._tasks, return_exceptions=True)
