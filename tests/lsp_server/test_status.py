"""infill/status: what a status bar shows."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
from lsprotocol import types as t
from pygls.exceptions import JsonRpcException

from lsp_server.notify.status import METHOD
from tests.lsp_server.conftest import Editor, StartEditor, is_running, until


def states(editor: Editor) -> list[str]:
    return [each.state for each in editor.told[METHOD]]


async def told(editor: Editor, state: str) -> None:
    await until(lambda: bool(states(editor)) and states(editor)[-1] == state, state)


async def test_from_starting_to_ready_and_filling_and_back(start: StartEditor) -> None:
    editor = await start({"text": "fill", "steps": 3, "delay": 0.02}, load={"seconds": 0.1})
    await told(editor, "ready")
    assert states(editor) == ["starting", "ready"]
    last = editor.told[METHOD][-1]
    assert (last.model, last.device, last.message) == ("scripted", "script", "")
    assert (last.way, last.why, last.better, last.confidence) == ("", "", "", "calibrated")
    uri = editor.open("x = ")
    await asyncio.gather(editor.inline(uri, 4), editor.completion(uri, 4))
    await told(editor, "ready")
    assert states(editor) == ["starting", "ready", "filling", "ready"]


@pytest.mark.parametrize("asked", [False, None])
async def test_a_client_that_does_not_ask_is_told_nothing(
    start: StartEditor, asked: bool | None
) -> None:
    editor = await start({"text": "fill"}, options={"status": asked})
    uri = editor.open("x = ")
    assert await editor.inline(uri, 4)
    assert editor.told[METHOD] == []
    assert editor.messages() == []


async def test_a_model_that_does_not_load_has_failed(start: StartEditor) -> None:
    error = {"kind": "out_of_memory", "message": "8 GB are not enough"}
    editor = await start(load={"error": error})
    await told(editor, "failed")
    assert editor.told[METHOD][-1].message == "8 GB are not enough"


async def test_a_fill_that_succeeds_ends_the_failure(start: StartEditor) -> None:
    bad = {"after": "bad", "error": {"kind": "out_of_memory", "message": "too long"}}
    editor = await start(bad, {"text": "fill"})
    await told(editor, "ready")
    uri = editor.open("bad")
    await editor.inline(uri, 3)
    await told(editor, "failed")
    await editor.inline(editor.open("x = ", "file:///good.py"), 4)
    await told(editor, "ready")


async def test_another_model_starts_anew(start: StartEditor, tmp_path: Path) -> None:
    editor = await start({"text": "one"})
    await told(editor, "ready")
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"fills": [{"text": "two"}]}))
    params = t.DidChangeConfigurationParams({"infill": {"model": str(other)}})
    editor.client.workspace_did_change_configuration(params)
    await until(lambda: len(states(editor)) >= 4, "the other model")
    assert states(editor) == ["starting", "ready"] * 2


async def test_a_fill_that_a_pause_ends_is_no_failure(start: StartEditor) -> None:
    editor = await start({"text": "fill", "steps": 500, "delay": 0.02})
    uri = editor.open("x = ")
    answer = asyncio.ensure_future(editor.inline(uri, 4))
    await editor.engine_has("step")
    await editor.command("infill.pause", [])
    assert await answer is None
    assert states(editor)[-1] == "paused"
    assert "failed" not in states(editor)
    assert editor.messages() == []


async def test_an_engine_that_dies_is_starting_again(start: StartEditor) -> None:
    editor = await start({"text": "fill", "steps": 20, "delay": 0.02})
    await told(editor, "ready")
    uri = editor.open("x = ")
    answer = asyncio.ensure_future(editor.inline(uri, 4))
    await editor.engine_has("step")
    os.kill(editor.events("begin")[0]["pid"], signal.SIGKILL)
    assert (await answer).items[0].insert_text == "fill"
    await told(editor, "ready")
    assert states(editor) == ["starting", "ready", "filling", "starting", "filling", "ready"]
    assert editor.told[METHOD][-1].device == "script"


async def test_a_pause_frees_the_model_and_answers_nothing(start: StartEditor) -> None:
    editor = await start({"text": "fill"})
    uri = editor.open("x = ")
    assert await editor.inline(uri, 4)
    engine = editor.events("load")[0]["pid"]
    await editor.command("infill.pause", [])
    await told(editor, "paused")
    await until(lambda: not is_running(engine), "the engine's end")
    assert await editor.inline(uri, 4) is None
    assert await editor.completion(uri, 4) is None
    assert await editor.code_actions(uri, 4, 4) is None
    with pytest.raises(JsonRpcException, match="paused"):
        await editor.command("infill.fillGap", [{"uri": uri, "start": [0, 4], "end": [0, 4]}])
    await editor.command("infill.resume", [])
    await told(editor, "ready")
    assert await editor.inline(uri, 4)
