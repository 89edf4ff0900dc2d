"""Fills that share their steps are the fills they would have been alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from engine.api import Cancelled, EngineInfo, Fill, FillRequest, Priority, Shape, Share
from engine.denoise.drivers import Driver
from engine.denoise.loop import Answer, Question
from engine.fill.infill import LocalEngine
from engine.fill.sharing import SharedEngine
from engine.host.schedule import Ticket
from engine.host.worker import Asked, Worker
from engine.models.diffusion_gemma import KVCache
from engine.models.family import Look
from engine.training.export import default_profile
from tests.hosting import wait_until

TEXT = "import os\n\n\ndef name(path):\n    return os.path.basename(path)\n\n\nprint(name('x'))\n"


@dataclass(frozen=True, slots=True)
class Asking:
    """A prompt of so many tokens, and so many canvases with so many open positions."""

    prompt: int
    rows: int
    places: int
    conditioned: bool = False


CASES = {
    "alone": [Asking(9, 2, 5)],
    "one prompt each": [Asking(9, 2, 5), Asking(30, 1, 5)],
    "no prompt": [Asking(0, 1, 3), Asking(12, 2, 7)],
    "beyond the window": [Asking(50, 3, 4), Asking(5, 1, 4), Asking(21, 2, 12)],
    "conditioned or not": [Asking(9, 1, 5, True), Asking(9, 2, 5)],
}


@pytest.mark.parametrize("asked", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("variant", ["routed", "two experts, both used", "kv heads alike"])
def test_a_joint_step_is_that_of_each(
    oracle: Callable[[str], Any], variant: str, asked: Sequence[Asking]
) -> None:
    model = oracle(variant).ours()
    draws = torch.Generator().manual_seed(0)

    def look(each: Asking) -> Look[KVCache]:
        canvas = torch.randint(97, (each.rows, 12), generator=draws)
        places = torch.stack(
            [torch.randperm(12, generator=draws)[: each.places] for _ in range(each.rows)]
        )
        signal = torch.randn(each.rows, 12, 32, generator=draws) if each.conditioned else None
        cache = model.encode(torch.randint(97, (each.prompt,), generator=draws))
        return Look(canvas, cache, places, signal)

    with torch.no_grad():
        looks = [look(each) for each in asked]
        for got, one in zip(model.look(looks), looks, strict=True):
            alone = model.decode(
                one.canvas, one.context, self_conditioning=one.signal, places=one.positions
            )
            torch.testing.assert_close(got, alone)


@pytest.fixture(scope="module")
def engine(tiny: Any) -> LocalEngine:
    profile = default_profile(tiny.settings).but(line_tokens=(3, 6), steps=6)
    return LocalEngine(tiny.model, tiny.tokenizer, profile, EngineInfo("tiny", "cpu"))


def requests(count: int) -> list[FillRequest]:
    cuts = [len(TEXT) * (at + 1) // (count + 1) for at in range(count)]
    return [FillRequest((TEXT[:at], TEXT[at:]), shape=Shape.LINE, seed=at) for at in cuts]


@dataclass
class Counted:
    """A driver that notes how many fills took part in each step."""

    driver: Driver
    steps: list[int]

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        self.steps.append(len(questions))
        return self.driver.answer(questions)


@pytest.fixture
def steps(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many fills took part in each step."""
    taken: list[int] = []
    monkeypatch.setattr(engine, "driver", Counted(engine.driver, taken))
    return taken


def together(engine: SharedEngine, shares: list[Share]) -> None:
    waiting = deque(shares)
    engine.fill_together(lambda: waiting.popleft() if waiting else None)


@pytest.mark.parametrize(("room", "count"), [(1, 2), (2, 2), (3, 3), (2, 5), (4, 1)])
def test_together_as_alone(engine: LocalEngine, steps: list[int], room: int, count: int) -> None:
    alone = [engine.fill(each) for each in requests(count)]
    steps.clear()
    found: dict[int, Any] = {}
    drafts: dict[int, list[int]] = {index: [] for index in range(count)}
    together(
        SharedEngine(engine, room),
        [
            Share(
                request,
                lambda outcome, index=index: found.setdefault(index, outcome),
                lambda draft, index=index: drafts[index].append(draft.step),
                window=str(index),
            )
            for index, request in enumerate(requests(count))
        ],
    )
    for index, expected in enumerate(alone):
        # Shared and unshared steps round differently.
        assert found[index].confidence == pytest.approx(expected.confidence, rel=1e-4)
        same = {"seconds": 0.0, "confidence": 0.0, "alternatives": ()}
        assert replace(found[index], **same) == replace(expected, **same)
        assert drafts[index] == list(range(1, expected.steps + 1))
    assert max(steps) == min(room, count)
    assert sum(steps) == sum(fill.steps for fill in alone)


def test_one_that_fails_or_is_cancelled_is_no_other_fills_problem(
    engine: LocalEngine, steps: list[int]
) -> None:
    first, second, third = requests(3)
    found: dict[str, Any] = {}

    def refuse(_: Any) -> None:
        raise ZeroDivisionError

    def end(name: str) -> Callable[[Fill | BaseException], None]:
        return lambda outcome: found.setdefault(name, outcome)

    together(
        SharedEngine(engine, 3),
        [
            Share(first, end("fails"), refuse),
            Share(second, end("cancelled"), cancelled=lambda: len(steps) >= 1),
            Share(third, end("ends")),
        ],
    )
    assert isinstance(found["fails"], ZeroDivisionError)
    assert isinstance(found["cancelled"], Cancelled)
    assert found["ends"].texts == engine.fill(third).texts


def test_a_step_that_fails_fails_all_and_the_next_fill_works(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> list[Answer]:
        raise MemoryError

    shared, found = SharedEngine(engine, 2), []
    with monkeypatch.context() as patch:
        patch.setattr(engine.driver, "answer", fail)
        together(shared, [Share(each, found.append) for each in requests(2)])
    assert [type(each) for each in found] == [MemoryError, MemoryError]
    together(shared, [Share(each, found.append) for each in requests(2)])
    assert all(isinstance(each, Fill) for each in found[2:])


def test_the_host_lets_windows_that_wait_share(engine: LocalEngine, steps: list[int]) -> None:
    """Those that come while a fill runs join it; speculation waits until nobody else does."""
    worker = Worker(lambda: SharedEngine(engine, 3))
    ended: list[tuple[str, Any]] = []

    def put(window: str, request: FillRequest, priority: Priority = Priority.FOREGROUND) -> None:
        asked = Asked(request, window, lambda outcome: ended.append((window, outcome)))
        worker.put(Ticket(window, asked, priority))

    put("ahead", requests(1)[0], Priority.SPECULATIVE)
    for window, request in zip("abcd", requests(4), strict=True):
        put(window, request)
    worker.start()
    wait_until(lambda: len(ended) == 5, "five answers")
    assert all(isinstance(outcome, Fill) for _, outcome in ended)
    assert ended[-1][0] == "ahead"
    assert max(steps) == 3
    assert worker.filled == 5
    assert worker.running == ()


def test_on_a_cpu_fills_take_turns(engine: LocalEngine) -> None:
    assert SharedEngine(engine).room == 1
