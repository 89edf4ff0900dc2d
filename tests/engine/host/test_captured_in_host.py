"""A fill that a window asks for runs captured steps, as on a card: recorded and replayed in the
host, with the kernels interpreted and with their references."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.api import Draft, FillRequest, Shape
from engine.client.address import Loaded
from engine.client.connect import HostEngine
from engine.client.habits import Habits
from tests.engine.host import captured_engine

FACTORY = "tests.engine.host.captured_engine:load"
REQUESTS = [
    FillRequest(("import os\n\nx = ", "\nprint(x)\n"), shape=Shape.LINE, seed=1),
    FillRequest(("def f(a):\n    return ", "\n"), shape=Shape.LINE, seed=2),
    FillRequest(("y = [", "]\n"), shape=Shape.LINE, seed=3),
]


@contextmanager
def window(journal: Path, kernels: str, patch: pytest.MonkeyPatch) -> Iterator[HostEngine]:
    patch.setenv("INFILL_KERNELS", kernels)  # of the host's process, which inherits it
    patch.setenv("TRITON_INTERPRET", "1" if kernels == "triton" else "")
    with HostEngine(Loaded(str(journal), "cpu", FACTORY), Habits(linger=0.0)) as engine:
        yield engine


def steps_in(journal: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal.read_text().splitlines()]


def test_windows_get_captured_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = tmp_path / "journal"
    drafts: list[Draft] = []
    with window(journal, "reference", monkeypatch) as engine:
        alone = [engine.fill(each, drafts.append) for each in REQUESTS]
        windows = [HostEngine(engine.loaded, Habits(linger=0.0)) for _ in REQUESTS]
        jobs = [each.submit(asked) for each, asked in zip(windows, REQUESTS, strict=True)]
        together = [job.future.result(120) for job in jobs]
        for each in windows:
            each.close()
    steps = steps_in(journal)
    assert all(step["captured"] for step in steps)
    assert len(steps) == sum(fill.steps for fill in (*alone, *together))
    assert {step["of"] for step in steps} == {1, 2}, "of three windows, two take turns"
    assert [draft.step for draft in drafts] == [
        number for fill in alone for number in range(1, fill.steps + 1)
    ]
    for one, other in zip(alone, together, strict=True):
        assert replace(one, seconds=0.0) == replace(other, seconds=0.0), "whatever the company"


@pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="there is no Triton for this system"
)
def test_a_window_gets_captured_steps_of_the_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = tmp_path / "journal"
    with window(journal, "triton", monkeypatch) as engine:
        fill = engine.submit(replace(REQUESTS[2], steps=2, candidates=1)).future.result(300)
    steps = steps_in(journal)
    assert [step["number"] for step in steps] == list(range(1, fill.steps + 1)) == [1, 2]
    assert all(step["captured"] and step["kernels"] for step in steps)


def test_in_this_process_it_is_the_same_fill(tmp_path: Path) -> None:
    """What comes back over the socket is what the engine says."""
    journal = tmp_path / "journal"
    here = captured_engine.load(str(journal), None)
    with HostEngine(Loaded(str(journal), "cpu", FACTORY), Habits(linger=0.0)) as engine:
        for request in REQUESTS:
            expected = replace(here.fill(request), seconds=0.0)
            assert replace(engine.fill(request), seconds=0.0) == expected
