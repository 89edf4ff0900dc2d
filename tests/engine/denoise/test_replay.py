"""The loop that replays a captured step, with the capture left out: on a CPU the step just runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch

from engine.api import Cancelled
from engine.denoise.canvas import Canvas, lay_out
from engine.denoise.loop import Denoising, Step, denoise
from engine.denoise.replay import KEPT, Replay, replays
from engine.denoise.sampler import Seeded
from engine.models.diffusion_gemma import DiffusionGemma

CPU = torch.device("cpu")
SETTINGS = Denoising(
    steps=6,
    t_max=0.8,
    t_min=0.4,
    entropy_bound=0.1,
    confidence_threshold=1e-9,
    stability_threshold=1,
    greedy=True,
    quota=False,
    self_conditioning=True,
)
CALM = {"entropy_bound": 1e3, "confidence_threshold": 1e3}  # all accepted, and done once stable


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    changes: dict[str, Any] = field(default_factory=dict)
    lengths: tuple[int, ...] = (3, 6)
    apart: bool = False  # whether every place has banned tokens of its own


CASES = [
    Case("out of steps"),
    Case("done before the steps are out", CALM),
    Case("sampled", {"greedy": False}),
    Case("an even share at least", {"quota": True}),
    Case("one canvas", lengths=(4,)),
    Case("tokens banned place by place", apart=True),
]


@pytest.fixture(scope="module")
def model(oracle: Callable[[str], Any]) -> DiffusionGemma:
    made: DiffusionGemma = oracle("settling").ours()
    return made


def request(model: DiffusionGemma, case: Case) -> tuple[Any, ...]:
    """Everything a loop takes after the model."""
    cache = model.encode(torch.arange(21))
    layouts = [
        lay_out([5, 6], [], [7, 8, 9], [n], 12, eos=1, pad=0, end_of_text=False)
        for n in case.lengths
    ]
    canvas = Canvas.of([layout for layout in layouts if layout is not None], CPU)
    draws = Seeded(97, CPU, torch.Generator().manual_seed(4))
    canvas = canvas.write(draws.ids(*canvas.places.shape))
    banned = torch.zeros(97, dtype=torch.bool)
    banned[:5] = True
    if case.apart:
        banned = banned.expand(*canvas.places.shape, -1).clone()
        banned[:, 0, 5:90] = True
    return cache, canvas, replace(SETTINGS, **case.changes), draws, banned


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fill_is_whole_and_repeats(case: Case, model: DiffusionGemma) -> None:
    replay = Replay(model)
    seen: list[Step] = []
    last = replay.denoise(*request(model, case), on_step=seen.append)
    again = replay.denoise(*request(model, case))
    assert torch.equal(last.tokens, again.tokens), "same request, same answer"
    assert [step.number for step in seen] == list(range(1, last.number + 1))
    _, canvas, settings, _, banned = request(model, case)
    assert last.tokens.shape == canvas.places.shape
    assert not banned.expand(*last.tokens.shape, -1).gather(-1, last.tokens[..., None]).any()
    assert ((last.probability > 0) & (last.probability <= 1)).all()
    assert last.number <= settings.steps


def test_its_first_step_is_that_of_the_plain_loop(model: DiffusionGemma) -> None:
    case = Case("one step", {"steps": 1})
    replayed = Replay(model).denoise(*request(model, case))
    plain = denoise(model, *request(model, case))
    real = request(model, case)[1].real
    assert torch.equal(replayed.tokens[real], plain.tokens[real])
    torch.testing.assert_close(replayed.probability[real], plain.probability[real])


def test_it_stops_one_step_after_all_are_done(model: DiffusionGemma) -> None:
    """What was said when a canvas was done is what stays."""
    case = Case("calm", {**CALM, "steps": 24})
    seen: list[Step] = []
    last = Replay(model).denoise(*request(model, case), on_step=seen.append)
    assert last.number < 24
    assert torch.equal(seen[-1].tokens, seen[-2].tokens)


def test_cancelled_between_steps(model: DiffusionGemma) -> None:
    asked: list[None] = []

    def cancelled() -> bool:
        asked.append(None)
        return len(asked) == 3

    with pytest.raises(Cancelled):
        Replay(model).denoise(*request(model, CASES[0]), cancelled=cancelled)


def test_only_the_shapes_used_last_are_kept(model: DiffusionGemma) -> None:
    replay = Replay(model)
    for length in (2, 3, 4, 3):
        replay.denoise(*request(model, Case("", {"steps": 1}, lengths=(length,))))
    assert len(replay._steps) == KEPT


UNFIT = [{"order": "left", "slack": 5}, {"self_conditioning": False}, {"stability_threshold": 2}]


@pytest.mark.parametrize("changes", UNFIT, ids=str)
def test_what_the_captured_step_does_not_do(changes: dict[str, Any]) -> None:
    draws = Seeded(97, CPU, torch.Generator())
    assert replays(SETTINGS, draws)
    assert not replays(replace(SETTINGS, **changes), draws)
