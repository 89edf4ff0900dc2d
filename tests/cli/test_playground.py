"""The playground's server: who is served what, and a language server behind the web socket."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from lsp_server import __version__
from lsp_server.commands.playground import ABOUT, FILES, FLOOR, POLICY, SOCKET
from tests.cli.conftest import Infill
from tests.playing import TOKEN, served

ROOT = Path(__file__).parents[2]


@pytest_asyncio.fixture
async def origin(tmp_path: Path) -> AsyncIterator[str]:
    """A playground that serves the scripted engine; its address without the token."""
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"fills": [{"text": "a + b", "steps": 2}]}))
    async with served(script) as url:
        assert url.endswith(f"/?token={TOKEN}")
        yield url.partition("/?")[0]


async def get(origin: str, path: str, host: str | None = None) -> tuple[int, dict[str, str], bytes]:
    name, _, port = origin.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host or f'{name}:{port}'}\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, body


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        (f"/?token={TOKEN}", None, 200),
        (f"/index.html?token={TOKEN}", None, 200),
        ("/", None, 403),
        ("/?token=guess", None, 403),
        (f"/?token={TOKEN}", "evil.example", 403),
        ("/playground.js", None, 200),
        ("/playground.js.gz", None, 404),
        ("/../cli.py", None, 404),
        (f"{SOCKET}?token={TOKEN}", None, 403),
        (f"{ABOUT}?token={TOKEN}", None, 200),
        (ABOUT, None, 403),
        (f"{FLOOR}?token={TOKEN}&canvas=128", None, 200),
        (f"{FLOOR}?canvas=128", None, 403),
        (f"{FLOOR}?token={TOKEN}&canvas=128&model=/etc", None, 403),
    ],
)
async def test_who_gets_what(origin: str, path: str, host: str | None, status: int) -> None:
    assert (await get(origin, path, host))[0] == status


@pytest.mark.parametrize("name", FILES)
async def test_the_page_is_whole_and_loads_nothing_from_elsewhere(origin: str, name: str) -> None:
    _, headers, body = await get(origin, f"/{name}?token={TOKEN}")
    assert int(headers["content-length"]) == len(body)
    assert headers["content-security-policy"] == POLICY.lower()
    text = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
    assert text
    if name == "index.html":
        assert set(re.findall(rb'(?:src|href)="([^"]*)"', text)) <= {
            b"data:,",
            *(each.encode() for each in FILES),
        }


@pytest.mark.parametrize("query", ["", "?token=guess"])
async def test_the_socket_wants_the_token(origin: str, query: str) -> None:
    with pytest.raises(InvalidStatus):
        await connect(f"{origin.replace('http', 'ws')}{SOCKET}{query}", origin=origin)


async def test_the_socket_serves_no_model_that_was_not_named(origin: str) -> None:
    address = f"{origin.replace('http', 'ws')}{SOCKET}?token={TOKEN}&model=http://evil.example"
    with pytest.raises(InvalidStatus):
        await connect(address, origin=origin)


async def test_what_the_page_is_told_beside_the_protocol(origin: str) -> None:
    _, headers, body = await get(origin, f"{ABOUT}?token={TOKEN}")
    assert headers["content-type"] == "application/json"
    told = json.loads(body)
    assert told["version"] == __version__
    assert [Path(model).name for model in told["models"]] == ["script.json"]
    # Of the scripted engine nobody knows what a step reads.
    _, _, body = await get(origin, f"{FLOOR}?token={TOKEN}&canvas=128")
    assert "error" in json.loads(body)


async def test_the_floor_of_a_step_is_measured_once() -> None:
    async with served() as url:
        origin = url.partition("/?")[0]
        answers = await asyncio.gather(
            *(get(origin, f"{FLOOR}?token={TOKEN}&canvas=128") for _ in range(2))
        )
    seconds = {json.loads(body)["seconds"] for _, _, body in answers}
    assert len(seconds) == 1
    assert 0 < seconds.pop() < 1


async def test_the_socket_wants_its_own_page(origin: str) -> None:
    address = f"{origin.replace('http', 'ws')}{SOCKET}?token={TOKEN}"
    with pytest.raises(InvalidStatus):
        await connect(address, origin="http://evil.example")


async def test_every_tab_has_a_language_server(origin: str) -> None:
    address = f"{origin.replace('http', 'ws')}{SOCKET}?token={TOKEN}"
    async with connect(address, origin=origin) as one, connect(address, origin=origin) as other:
        for socket in (one, other):
            assert (await filled(socket))["texts"] == ["a + b"]


async def filled(socket: Any) -> Any:
    async def send(method: str, params: Any, **id: int) -> None:
        await socket.send(json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **id}))

    cursor = {"line": 0, "character": 4}
    document = {"uri": "untitled:x", "languageId": "python", "version": 1, "text": "x = \n"}
    await send("initialize", {"processId": None, "rootUri": None, "capabilities": {}}, id=1)
    await send("initialized", {})
    await send("textDocument/didOpen", {"textDocument": document})
    holes = [{"start": cursor, "end": cursor}]
    await send("infill/fill", {"textDocument": document, "holes": holes}, id=2)
    async with asyncio.timeout(30):
        while True:
            message = json.loads(await socket.recv())
            if message.get("id") == 2 and "method" not in message:
                return message["result"]


def test_a_port_that_is_taken_is_named(infill: Infill) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        outcome = infill("playground", "--no-browser", "--port", str(port))
    assert outcome.code == 1
    assert f"port {port}: " in outcome.err
    assert "give another --port" in outcome.err


def test_the_bundle_is_made_of_these_sources() -> None:
    """Where this fails: `npm ci && npm run build` in editors/playground."""
    folder = ROOT / "editors" / "playground"
    digest = hashlib.sha256()
    sources = sorted(path.name for path in (folder / "src").iterdir())
    for name in ["package-lock.json", "build.mjs", *(f"src/{name}" for name in sources)]:
        digest.update(f"{name}\n".encode() + (folder / name).read_bytes())
    built = ROOT / "lsp_server" / "playground" / "sources.sha256"
    assert built.read_text().strip() == digest.hexdigest()
