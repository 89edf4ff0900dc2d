"""Faults of the engine as an editor meets them: the server answers, the user is told once, and the
next request works."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.host.address import Loaded, address_of, runtime_folder
from tests.hosting import FACTORY
from tests.lsp_server.conftest import Editor, editors, is_running, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these faults are made with POSIX")

SLOW = {"after": "slow ", "steps": 1000, "delay": 0.02}
FILL = {"text": "fill"}


def pids(editor: Editor) -> set[int]:
    return {event["pid"] for event in editor.events("load")}


async def test_two_windows_share_an_engine_and_survive_each_other(tmp_path: Path) -> None:
    async with editors(tmp_path) as start:
        first = await start(SLOW, FILL)
        second = await start(SLOW, FILL, model=tmp_path / "0.json")
        uris = [each.open("slow ") for each in (first, second)]
        assert (await first.inline(uris[0], 1)).items[0].insert_text == "fill"
        assert (await second.inline(uris[1], 1)).items[0].insert_text == "fill"
        assert len(pids(first)) == 1
        answer = asyncio.ensure_future(first.inline(uris[0], 5))
        await first.engine_has("begin", 3)
        first.process.kill()
        assert (await second.inline(uris[1], 2)).items[0].insert_text == "fill"
        answer.cancel()
        assert len(pids(first)) == 1
        (pid,) = pids(first)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not is_running(pid), "the engine's end")
        await asyncio.sleep(0.1)
        assert (await second.inline(uris[1], 3)).items[0].insert_text == "fill"
        assert second.messages() == []  # nothing was lost
        assert len(pids(first)) == 2


def mode(folder: Path) -> Callable[[], None]:
    folder.chmod(0o755)
    return lambda: folder.chmod(0o700)


def lock(folder: Path) -> Callable[[], None]:
    """A folder where a file should be: nobody can write it."""
    blocked = address_of(Loaded(os.environ["MODEL"], None, FACTORY)).start
    blocked.mkdir()
    return blocked.rmdir


@pytest.mark.parametrize(("break_it", "words"), [(mode, "chmod 700"), (lock, "INFILL_RUNTIME_DIR")])
async def test_a_folder_that_cannot_be_used_is_told_once(
    break_it: Callable[[Path], Callable[[], None]],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    short_folder: Path,
) -> None:
    monkeypatch.setenv("INFILL_RUNTIME_DIR", str(short_folder))
    monkeypatch.setenv("MODEL", str(tmp_path / "0.json"))
    mend = break_it(runtime_folder())
    async with editors(tmp_path) as start:
        editor = await start(FILL)
        uri = editor.open("x = y = ")
        for offset in (4, 8):
            assert await editor.inline(uri, offset) is None
            assert await editor.code_actions(uri, offset, offset)
        (message,) = editor.messages()
        assert words in message
        mend()
        assert (await editor.inline(uri, 3)).items[0].insert_text == "fill"
        assert len(editor.messages()) == 1
