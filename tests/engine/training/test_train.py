"""Training goes on where it stopped, as if it had not stopped."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from engine.training import train as training
from engine.training.source import Source, write_sources
from engine.training.train import Run, train

SOURCES = [path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))]


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Training listens to SIGTERM; afterwards it is pytest's again."""
    kept = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, kept)


@pytest.fixture
def run(tiny: Any, tmp_path: Path) -> Run:
    sources = (Source("p", f"{n}.py", text) for n, text in enumerate(SOURCES))
    write_sources(sources, tmp_path / "train.jsonl")
    return Run(
        settings=tiny.settings,
        corpus=tmp_path,
        folder=tmp_path / "whole",
        tokenizer=tiny.tokenizer_path,
        device=torch.device("cpu"),
        compiled=False,
        seconds=None,
        processes=1,
    )


def steps_in(folder: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text().splitlines()]


def check_same_state(one: Path, two: Path) -> None:
    states = [load_file(folder / "state.safetensors") for folder in (one, two)]
    assert states[0].keys() == states[1].keys()
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name
    assert step_of(one) == step_of(two)


def step_of(folder: Path) -> str:
    with safe_open(folder / "state.safetensors", framework="pt") as state:
        return str(state.metadata()["step"])


def test_stopped_and_resumed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one go; after a time limit at every step; after a SIGTERM at the second."""
    steps = list(range(run.settings.schedule.steps))
    train(0, run)
    assert steps_in(run.folder) == steps

    hurried = replace(run, folder=run.folder.with_name("hurried"), seconds=0.0)
    for step in steps:
        train(0, hurried)
        assert steps_in(hurried.folder) == steps[: step + 1]
    check_same_state(run.folder, hurried.folder)

    told = replace(run, folder=run.folder.with_name("told"))
    batches = training.batches

    def tell(*args: Any) -> Iterator[Any]:
        for step, batch in batches(*args):
            if step == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            yield step, batch

    with monkeypatch.context() as patch:
        patch.setattr(training, "batches", tell)
        train(0, told)
    assert steps_in(told.folder) == [0, 1]
    train(0, told)
    assert steps_in(told.folder) == steps
    check_same_state(run.folder, told.folder)

    train(0, told)  # there is nothing left to do
    assert steps_in(told.folder) == steps
    check_same_state(run.folder, told.folder)


def test_it_learns(run: Run) -> None:
    """The same few texts again and again: they are less of a surprise."""
    schedule = replace(run.settings.schedule, steps=24, causal_share=1.0)
    train(0, replace(run, settings=replace(run.settings, schedule=schedule)))
    log = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert log[-1]["causal"] < 0.95 * log[0]["causal"]
    state = load_file(run.folder / "state.safetensors")
    assert all(tensor.isfinite().all() for tensor in state.values())


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 0.01), (49, 0.5), (99, 1.0), (649, 1.0), (825, 0.5), (999, 0.05)]
)
def test_rate(step: int, expected: float, tiny: Any) -> None:
    """Warm up, hold, fall to the end."""
    schedule = replace(tiny.settings.schedule, steps=1000, warmup=100, decay_share=0.35, final=0.05)
    assert schedule.rate(step) == pytest.approx(expected)
