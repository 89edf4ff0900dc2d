"""A window fills with the model that was tuned for its folder, from the next fill on, and no longer
than it is there."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.api import EngineInfo, Fill, FillRequest
from engine.checkpoints.catalog import EMBEDDED_FOLDER
from engine.checkpoints.tuned import TUNED, sampled_digest
from engine.client.connect import Job
from engine.tuning.kept import Kept, Record, tuned_for
from lsp_server import link as module
from lsp_server.link import Link
from lsp_server.secrets import cleared
from lsp_server.settings import Settings
from tests.lsp_server.conftest import until


class Engine:
    disagreement = None
    info = EngineInfo("scripted", "script")

    def __init__(self) -> None:
        self.closed = False
        self.answer: Future[Fill] | None = None
        self.asked = 0

    def start(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def submit(self, request: FillRequest, on_draft: object, priority: object) -> Job:
        self.asked += 1
        future: Future[Fill] = self.answer or Future()
        if self.answer is None:
            future.set_result(Fill(("x",), 1.0, 1, 1, 0.0))
        return Job(future, lambda: None)


class Window:
    """A link of a window in `folder`, and the models that it has connected to."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
        self.models: list[str] = []
        self.engines: list[Engine] = []
        self._number = 0

        def connect(model: str, *rest: object) -> Engine:
            self.models.append(model)
            self.engines.append(Engine())
            return self.engines[-1]

        monkeypatch.setattr(module, "connect", connect)
        monkeypatch.setattr(module, "LOOK_EVERY", 0.0)
        nothing = lambda *given: None  # noqa: E731
        silent = cast(
            Any, SimpleNamespace(starting=nothing, ready=nothing, failed=nothing, forget=nothing)
        )
        self.link = Link(settings, silent, silent, None, lambda: [folder])

    async def fill(self) -> None:
        self._number += 1
        request = FillRequest((f"x{self._number} = ", "\n"))
        await self.link.fill(cleared(request, ["a.py"]))


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFILL_MODELS", str(tmp_path / "data" / "models"))


def tuned(workspace: Path, name: str) -> Kept:
    kept = Kept.of(workspace, "embedded")
    kept.make()
    (kept.folder / name).mkdir()
    (kept.folder / name / TUNED).write_text("{}")
    digest = sampled_digest(EMBEDDED_FOLDER)
    kept.write(Record(str(workspace), "embedded", digest, gained=True, model=name))
    return kept


async def test_a_window_follows_what_is_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = Window(tmp_path / "work" / "inner", monkeypatch, Settings())
    await window.fill()
    assert window.models == ["embedded"]
    kept = tuned(tmp_path / "work", "first")
    await window.fill()
    await window.fill()
    assert window.models == ["embedded", str(kept.folder / "first")]
    await asyncio.to_thread(lambda: None)
    tuned(tmp_path / "work", "second")
    await window.fill()
    assert window.models[-1] == str(kept.folder / "second")
    kept.forget()
    await window.fill()
    assert window.models[2:] == [str(kept.folder / "second"), "embedded"]


async def test_a_fill_under_way_is_not_disturbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = Window(tmp_path, monkeypatch, Settings())
    await window.fill()
    (engine,) = window.engines
    engine.answer = Future()
    first = asyncio.ensure_future(window.fill())
    await until(lambda: engine.asked == 2, "the first to be under way")
    tuned(tmp_path, "first")
    second = asyncio.ensure_future(window.fill())
    await until(lambda: engine.asked == 3 or second.done(), "the second")
    assert window.models == ["embedded"]
    assert not engine.closed
    engine.answer.set_result(Fill(("x",), 1.0, 1, 1, 0.0))
    await asyncio.gather(first, second)
    await window.fill()
    assert len(window.models) == 2


async def test_nothing_is_read_on_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, threads = tuned(tmp_path, "first"), set[int]()

    def look(*given: Any) -> Path | None:
        threads.add(threading.get_ident())
        return tuned_for(*given)

    monkeypatch.setattr(module, "tuned_for", look)
    window = Window(tmp_path, monkeypatch, Settings())
    window.link.warm_up()
    await until(lambda: bool(window.models), "a connection")
    await window.fill()
    assert window.models == [str(kept.folder / "first")]
    assert threads
    assert threading.get_ident() not in threads


async def test_one_setting_switches_it_off_and_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tuned(tmp_path, "first")
    window = Window(tmp_path, monkeypatch, Settings(tuned=False))
    await window.fill()
    assert window.link.configure(Settings())
    await window.fill()
    assert window.link.configure(Settings(tuned=False))
    await window.fill()
    model = str(kept.folder / "first")
    assert window.models == ["embedded", model, "embedded"]


async def test_of_another_model_nothing_was_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned(tmp_path, "first")
    window = Window(tmp_path, monkeypatch, replace(Settings(), model="http://localhost:1"))
    await window.fill()
    assert window.models == ["http://localhost:1"]
