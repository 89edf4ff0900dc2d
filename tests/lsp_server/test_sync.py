"""Changes as clients really send them, and what is done where the text is not known any more."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from lsp_server import sync
from lsp_server.document import Document
from tests.lsp_server.conftest import is_running, server_command
from tests.lsp_server.wire import FILL, TEXT, URI, Wire, framed, wire

MOST = 2**32 - 1


def span(start: Any, end: Any) -> dict[str, Any]:
    names = ("line", "character")
    return {
        "start": dict(zip(names, start, strict=True)),
        "end": dict(zip(names, end, strict=True)),
    }


# What comes after the text "a = 1\nb", the text that is to be had then: None where nobody knows it.
CHANGES: dict[str, tuple[Any, str | None]] = {
    "nothing": ([], "a = 1\nb"),
    "null, as an empty list": (None, "a = 1\nb"),
    "a range that is null": ([{"range": None, "text": "new"}], "new"),
    "a length that is null": (
        [{"range": span((0, 0), (0, 1)), "rangeLength": None, "text": "c"}],
        "c = 1\nb",
    ),
    "a length that is none": (
        [{"range": span((0, 0), (0, 1)), "rangeLength": "x", "text": "c"}],
        "c = 1\nb",
    ),
    "to the end": ([{"range": span((0, 0), (MOST, MOST)), "text": "c"}], "c"),
    "to the end of a line": ([{"range": span((0, 1), (0, MOST)), "text": ""}], "a\nb"),
    "to an end beyond that": ([{"range": span((0, 0), (2**63 - 1, 0)), "text": "c"}], "c"),
    "floats": ([{"range": span((0.0, 0.0), (1.0, 0.0)), "text": ""}], "b"),
    "the odd before a whole text": ([7, {"range": 3}, {"text": "new"}], "new"),
    "the odd after a whole text": ([{"text": "new"}, {"range": 3, "text": ""}], None),
    "no changes": (..., None),
    "changes that are no list": ({"text": "new"}, None),
    "no text": ([{"range": span((0, 0), (0, 1))}], None),
    "a text that is null": ([{"text": None}], None),
    "a change that is null": ([None], None),
    "a position that is null": ([{"range": span((0, None), (0, 1)), "text": ""}], None),
    "a negative position": ([{"range": span((0, -1), (0, 1)), "text": ""}], None),
    "half a column": ([{"range": span((0, 0.5), (0, 1)), "text": ""}], None),
    "infinity": ([{"range": span((0, float("inf")), (0, 1)), "text": ""}], None),
    "a truth": ([{"range": span((0, True), (0, 1)), "text": ""}], None),
    "half a range": ([{"range": {"start": {"line": 0, "character": 0}}, "text": ""}], None),
    "a range that is a list": ([{"range": [0, 1], "text": ""}], None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes(name: str) -> None:
    changes, text = CHANGES[name]
    params: dict[str, Any] = {"textDocument": {"uri": URI, "version": 2}}
    if changes is not ...:
        params["contentChanges"] = changes
    event = sync.changed(params)
    if text is None:
        assert isinstance(event, sync.Unclear)
        assert event.uri == URI
        return
    assert isinstance(event, sync.Changed)
    before = Document(URI, 1, "python", "a = 1\nb")
    assert before.edited(event.changes, 2).text == text


VERSIONS: list[tuple[Any, int | None]] = [
    (7, 7), (-1, -1), (0, 0), (3.0, 3), (None, None), ("3", None), (True, None), ({}, None),
    (2**31, None), (2**70, None), (float("nan"), None),
]  # fmt: skip


@pytest.mark.parametrize(("given", "read"), VERSIONS)
def test_versions(given: Any, read: int | None) -> None:
    item = {"uri": URI, "version": given, "text": "", "languageId": None}
    event = sync.opened({"textDocument": item})
    assert event == sync.Opened(URI, "plaintext", read, "")
    params = {"textDocument": {"uri": URI, "version": given}, "contentChanges": []}
    assert sync.changed(params) == sync.Changed(URI, read, ())


@pytest.mark.parametrize("odd", [None, 3, [], "x", {}, {"textDocument": 3}, {"textDocument": {}}])
def test_nothing_that_can_come_raises(odd: Any) -> None:
    for reader in sync.READERS.values():
        event = reader(odd)
        assert isinstance(event, sync.Notebook) or event.uri is None


async def fills(client: Wire, id: Any, uri: str = URI, at: tuple[int, int] = (0, 8)) -> bool:
    return await client.fill(id, uri, at) == FILL


@pytest.mark.parametrize("version", [None, "x", 2**40, 1], ids=str)
async def test_versions_that_say_nothing(version: Any, tmp_path: Path) -> None:
    """Neither is a change lost nor is an offer taken for the text that there is now."""
    async with wire(tmp_path) as client:
        client.initialize(capabilities={"workspace": {"workspaceEdit": {"documentChanges": True}}})
        client.open(text="def f():\n    # TODO: add\n    pass\n")
        client.change([{"text": "def f():\n    # TODO: add\n    x = "}], version)
        assert await fills(client, 1, at=(2, 8))
        place = span((1, 6), (1, 6))
        ask = {"textDocument": {"uri": URI}, "range": place, "context": {"diagnostics": []}}
        offered = (await client.ask(2, "textDocument/codeAction", ask))["result"]
        assert offered
        client.change([{"range": span((0, 0), (0, 0)), "text": "\n"}], version)
        late = await client.ask(3, "codeAction/resolve", offered[0])
        assert late["error"]["code"] == -32801
        assert not client.shown


BAD_CHANGE = [{"range": {"start": None}, "text": "x"}]


async def test_a_document_whose_text_is_not_known(tmp_path: Path) -> None:
    other = "file:///other.py"
    async with wire(tmp_path) as client:
        client.initialize()
        client.open()
        client.open(other)
        client.change(BAD_CHANGE)
        assert not await fills(client, 1)
        assert await fills(client, 2, other)
        client.change([{"range": span((0, 0), (0, 0)), "text": "y"}], 3)
        client.change(BAD_CHANGE, 4)
        assert not await fills(client, 3)
        command = {"command": "infill.fillGap", "arguments": [{"uri": URI, "start": [0, 8]}]}
        command["arguments"][0]["end"] = [0, 8]  # type: ignore[index]
        answer = await client.ask(4, "workspace/executeCommand", command)
        assert "sane.py" in answer["error"]["message"]
        (shown,) = client.shown
        assert "sane.py" in shown
        client.change([{"text": TEXT}], 5)
        assert await fills(client, 5)
        client.change(BAD_CHANGE, 6)
        client.send({"method": "textDocument/didClose", "params": {"textDocument": {"uri": URI}}})
        client.open()
        assert await fills(client, 6)
        assert len(client.shown) == 1
        assert await client.end() == 0


ODD_URIS = [
    "file://[bad/a.py", "file://[::1/a.py", "", "x", "file:", "file://\0/a", "file:///\ud800.py",
    "untitled:[", "file:///a%ZZ%00.py", "http://[", "file://a]b/c", "//", "\n",
    "file:///" + "x" * 9999,
]  # fmt: skip


async def test_no_document_breaks_another(tmp_path: Path) -> None:
    async with wire(tmp_path) as client:
        client.initialize()
        client.open()
        for id, uri in enumerate(ODD_URIS):
            client.open(uri, text=TEXT, language="\ud800" if id % 2 else "python")
            assert await fills(client, f"odd {id}", uri), uri
            assert await fills(client, f"sane {id}")
        client.open("file:///halves.py", text="\ud800\udc00\ud800 \0\udfff")
        client.open("file:///null.py", text=None)  # type: ignore[arg-type]
        client.send({"method": "textDocument/didOpen", "params": {"textDocument": {"uri": 3}}})
        assert await fills(client, "end")
        assert await client.end() == 0
        assert b"Traceback" not in client.log


NOTEBOOK = {"uri": "file:///a.ipynb", "notebookType": "x", "version": 1}
CELLS = ["cell:1", "cell:2"]
ODD_NOTEBOOKS: list[dict[str, Any]] = [
    {"cells": {"structure": {"array": {"start": None, "deleteCount": 0}}}},
    {"cells": {"structure": {"array": {"start": 0, "deleteCount": 1, "cells": [{"kind": 2}]}}}},
    {"cells": {"structure": 3, "data": [{"kind": "x"}], "textContent": 3}},
    {"cells": {"data": [7]}, "metadata": []},
    {"cells": {"textContent": [{"document": {"uri": CELLS[1]}, "changes": [{}]}]}},
    {"cells": {"textContent": [None, {"document": None, "changes": None}]}},
    {"cells": 3},
]


@pytest.mark.parametrize("odd", ODD_NOTEBOOKS, ids=str)
async def test_a_notebook_breaks_no_cell_that_is_known(odd: dict[str, Any], tmp_path: Path) -> None:
    async with wire(tmp_path) as client:
        client.initialize()
        cells = [{"kind": 2, "document": uri} for uri in CELLS]
        items = [{"uri": uri, "languageId": "python", "version": 1, "text": TEXT} for uri in CELLS]
        params = {"notebookDocument": {**NOTEBOOK, "cells": cells}, "cellTextDocuments": items}
        client.send({"method": "notebookDocument/didOpen", "params": params})
        params = {"notebookDocument": {**NOTEBOOK, "version": None}, "change": odd}
        client.send({"method": "notebookDocument/didChange", "params": params})
        assert await fills(client, 1, CELLS[0])
        text = {"cells": {"textContent": [{"document": {"uri": CELLS[0]}, "changes": None}]}}
        params = {"notebookDocument": {"uri": NOTEBOOK["uri"]}, "change": text}
        client.send({"method": "notebookDocument/didChange", "params": params})
        assert await fills(client, 2, CELLS[0])
        assert await client.end() == 0


@pytest.mark.parametrize("to_file", [False, True])
async def test_half_a_character_in_a_logged_name(tmp_path: Path, to_file: bool) -> None:
    file = tmp_path / "log"
    options = ["--log-level", "debug", *(["--log-file", str(file)] if to_file else [])]
    async with wire(tmp_path, *options, PYTHONIOENCODING="utf-8:strict") as client:
        client.initialize()
        client.open()
        client.change([], uri="file:///\ud800.py")
        client.send({"method": "textDocument/\udfff", "params": {}})
        client.send({"id": "\ud800", "method": "\udc00\ud800", "params": {"\ud800": "\ud800"}})
        assert await fills(client, 1)
        assert await client.end() == 0
    assert b"Traceback" not in client.log
    assert b"UnicodeEncodeError" not in client.log
    log = file.read_bytes() if to_file else client.log
    assert b"\\ud800.py" in log


async def test_the_server_ends_with_its_client_though_stdin_stays_open(tmp_path: Path) -> None:
    editor = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=-1)
    async with wire(tmp_path) as client:
        client.initialize(processId=editor.pid)
        client.open()
        assert await fills(client, 1)
        editor.kill()
        await editor.wait()
        assert await asyncio.wait_for(client.process.wait(), 20) == 0


async def test_an_editor_that_is_not_seen_ends_nothing(tmp_path: Path) -> None:
    """Its process id is of another machine, or of another container."""
    ended = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await ended.wait()
    assert not is_running(ended.pid)
    async with wire(tmp_path) as client:
        client.initialize(processId=ended.pid)
        client.open()
        assert await fills(client, 1)
        assert await client.end() == 0


async def test_pipes_that_do_not_block(tmp_path: Path) -> None:
    """Some editors make their pipes so, and the server's ends of them are the same open files."""
    (requests, ours), (theirs, answers) = os.pipe(), os.pipe()
    os.set_blocking(requests, False)
    os.set_blocking(answers, False)
    process = await asyncio.create_subprocess_exec(
        *server_command(tmp_path / "none"), stdin=requests, stdout=answers
    )
    os.close(requests)
    os.close(answers)
    os.write(ours, framed({"id": 1, "method": "initialize", "params": {}}))
    data = await asyncio.to_thread(os.read, theirs, 1 << 16)
    assert b"capabilities" in data
    await asyncio.sleep(0.2)
    os.write(ours, framed({"id": 2, "method": "shutdown"}))
    while b'"id": 2' not in data:
        data += await asyncio.to_thread(os.read, theirs, 1 << 16)
    os.close(ours)
    assert await asyncio.wait_for(process.wait(), 20) == 0
    os.close(theirs)
