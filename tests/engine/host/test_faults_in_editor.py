"""Faults of the engine as an editor meets them: the server answers, the user is told once, and the
next request works."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types as t
from pygls.exceptions import JsonRpcException

from engine.client.address import Address, Loaded, address_of
from engine.client.greeting import visit
from tests.hosting import FACTORY, hello, impostor
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


async def killed(editor: Editor, uri: str, by: signal.Signals = signal.SIGKILL) -> None:
    """What was being filled is asked of the next engine, and gives way to what is newer."""
    answer = asyncio.ensure_future(editor.inline(uri, 5))
    await editor.engine_has("begin", 2)
    os.kill(editor.events("begin")[-1]["pid"], by)
    await editor.engine_has("begin", 3)
    assert (await editor.inline(uri, 1)).items[0].insert_text == "fill"
    assert await answer is None


async def stopped(editor: Editor, uri: str) -> None:
    await killed(editor, uri, signal.SIGSTOP)


async def hung(editor: Editor, uri: str) -> None:
    """What waits behind the fill that does not stop is asked of the next engine."""
    (action,) = await editor.code_actions(uri, 5, 5)
    hanging = asyncio.ensure_future(editor.resolve(action, "hanging"))
    await editor.engine_has("begin", 2)
    waiting = asyncio.ensure_future(editor.inline(uri, 1))
    await editor.code_actions(uri, 5, 5)  # answered behind it: it has been asked for
    editor.cancel("hanging")
    with pytest.raises(JsonRpcException):
        await hanging
    assert (await waiting).items[0].insert_text == "fill"


async def unanswered(editor: Editor, uri: str) -> None:
    assert await editor.inline(uri, 5) is None


def no_room_for_logs(script: Path) -> None:
    address_of(Loaded(str(script), None, FACTORY)).log.symlink_to("/dev/full")


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong in a fill after "slow ", and the one message that the user gets."""

    rule: dict[str, Any]
    happens: Callable[[Editor, str], Awaitable[None]]
    words: str
    before: Callable[[Path], None] = lambda script: None


FAULTS = {
    "killed": Fault({"steps": 1000, "delay": 0.02}, killed, "SIGKILL"),
    "is stopped": Fault({"steps": 1000, "delay": 0.02}, stopped, "did not answer for"),
    "hangs": Fault({"hang": True}, hung, "did not stop a fill"),
    "out of memory": Fault({"raises": "MemoryError"}, unanswered, "not enough memory"),
    "ends": Fault({"exit": 3}, unanswered, "exit status 3"),
    "disk full for logs": Fault({"raises": "KeyError"}, unanswered, "KeyError", no_room_for_logs),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_a_fault_is_told_once_and_the_next_request_works(
    fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFILL_CANCEL_PATIENCE", "0.2")
    fault.before(tmp_path / "0.json")
    async with editors(tmp_path) as start:
        editor = await start({"after": "slow ", **fault.rule}, FILL)
        uri = editor.open("slow ")
        assert (await editor.inline(uri, 1)).items[0].insert_text == "fill"
        await fault.happens(editor, uri)
        assert await editor.code_actions(uri, 5, 5)
        assert (await editor.inline(uri, 1)).items[0].insert_text == "fill"
        assert (await editor.inline(uri, 2)).items[0].insert_text == "fill"
        (message,) = editor.messages()
        assert fault.words in message


@contextmanager
def open_to_others(address: Address) -> Iterator[None]:
    address.folder.chmod(0o755)
    yield
    address.folder.chmod(0o700)


@contextmanager
def of_somebody_else(address: Address) -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(address.folder, 12345, -1)
    yield
    os.chown(address.folder, 0, -1)


@contextmanager
def no_lock(address: Address) -> Iterator[None]:
    """A folder where a file should be: nobody can write it."""
    address.start.mkdir()
    yield
    address.start.rmdir()


def corrupted(address: Address) -> AbstractContextManager[None]:
    return impostor(address, b"\x00\xff\n", is_host=True)


def of_another_version(address: Address) -> AbstractContextManager[None]:
    return impostor(address, hello(protocol=99), is_host=True)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (open_to_others, "chmod 700"),
        (of_somebody_else, "another user"),
        (no_lock, "INFILL_RUNTIME_DIR"),
        (corrupted, "nonsense"),
        (of_another_version, "infill-ls 0.0.1"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
async def test_an_engine_that_cannot_be_met_is_told_once(
    broken: Callable[[Address], AbstractContextManager[None]],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    short_folder: Path,
) -> None:
    monkeypatch.setenv("INFILL_RUNTIME_DIR", str(short_folder))
    async with editors(tmp_path) as start:
        with broken(address_of(Loaded(str(tmp_path / "0.json"), None, FACTORY))):
            editor = await start(FILL)
            uri = editor.open("x = y = ")
            for offset in (4, 8):
                assert await editor.inline(uri, offset) is None
                assert await editor.code_actions(uri, offset, offset)
            (message,) = editor.messages()
            assert words in message
        other = editor.open("z = ")
        assert (await editor.inline(other, 4)).items[0].insert_text == "fill"
        assert len(editor.messages()) == 1


async def test_the_engine_has_the_settings_of_its_editor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INFILL_LINGER")
    address = address_of(Loaded(str(tmp_path / "0.json"), None, FACTORY))

    def habits() -> tuple[float, float | None]:
        told = visit(address, "status")["habits"]
        return told["linger"], told["unload_after"]

    async with editors(tmp_path) as start:
        editor = await start(FILL, options={"linger": 0.5, "unloadAfter": 2})
        uri = editor.open("x = ")
        assert (await editor.inline(uri, 4)).items[0].insert_text == "fill"
        assert habits() == (30.0, 120.0)
        changed = {"infill": {"linger": 0, "unloadAfter": 0}}
        editor.client.workspace_did_change_configuration(t.DidChangeConfigurationParams(changed))
        other = editor.open("z = ")
        assert (await editor.inline(other, 4)).items[0].insert_text == "fill"
        assert habits() == (0.0, None)
        assert editor.messages() == []
        assert len(pids(editor)) == 1
