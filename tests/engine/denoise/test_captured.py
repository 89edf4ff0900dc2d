"""Captured steps, recorded and replayed without a card: they believe what the plain model believes,
and decide by themselves."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch

from engine.api import Cancelled
from engine.denoise.canvas import Canvas, lay_out
from engine.denoise.drivers import Captured, Eager, run
from engine.denoise.drivers.captured import KEPT, CapturedStep, bucket_of, does
from engine.denoise.loop import Answer, Denoising, Question, Step, denoise
from engine.denoise.sampler import Seeded, entropy
from engine.models.diffusion_gemma import DiffusionGemma
from engine.models.family import FixedSize
from kernels.acceptance import EntropyBound

CPU = torch.device("cpu")
V = 97
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
    prompt: int = 21
    seed: int = 4


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
    """Everything that the loop takes first."""
    cache = model.encode(torch.arange(case.prompt))
    layouts = [
        lay_out([5, 6], [], [7, 8, 9], [n], 12, eos=1, pad=0, end_of_text=False)
        for n in case.lengths
    ]
    canvas = Canvas.of([layout for layout in layouts if layout is not None], CPU)
    draws = Seeded(V, CPU, torch.Generator().manual_seed(case.seed))
    canvas = canvas.write(draws.ids(*canvas.places.shape))
    banned = torch.zeros(V, dtype=torch.bool)
    banned[:5] = True
    if case.apart:
        banned = banned.expand(*canvas.places.shape, -1).clone()
        banned[:, 0, 5:90] = True
    return cache, canvas, replace(SETTINGS, **case.changes), draws, banned


def captured(model: DiffusionGemma, case: Case, **more: Any) -> Step:
    return run(denoise(*request(model, case), **more), Captured(model))


def test_a_step_believes_what_the_model_believes(model: DiffusionGemma) -> None:
    cache, canvas, _, draws, banned = request(model, Case(""))
    steps = denoise(cache, canvas, SETTINGS, draws, banned)
    question = next(steps)
    size = FixedSize(2, 12, 6, 256)
    step = CapturedStep(model.fixed(size), size, EntropyBound(0.1, 0.005, V), V)
    pinned = torch.ones_like(canvas.ids, dtype=torch.bool).scatter(1, canvas.places, False)
    signal = None
    for number in (1, 2, 3):
        temperature = SETTINGS.temperature(number)
        ids = canvas.ids if number == 1 else step.look.ids.clone()
        logits = model.decode(ids, cache, self_conditioning=signal, places=canvas.places)
        logits = logits.masked_fill(banned, -torch.inf)
        asked = replace(question, look=replace(question.look, number=number))
        answer = step.answer(asked)
        assert torch.equal(answer.tokens, logits.argmax(dim=-1))
        expected = logits.softmax(dim=-1).amax(dim=-1)
        torch.testing.assert_close(answer.probability, expected)
        after, told = answer.go_on()
        assert told is not None
        assert torch.equal(after.ids[pinned], canvas.ids[pinned])
        known = model.embed(after.ids)
        assert torch.equal(told[pinned], known[pinned])
        believed = model.soft_embedding(logits / temperature)
        for row, last in enumerate(canvas.real.sum(dim=-1).tolist()):
            places = canvas.places[row, :last]
            torch.testing.assert_close(told[row, places], believed[row, :last])
        signal = told.clone()
    assert entropy(logits).isfinite().all()


@pytest.mark.parametrize(("length", "bucket"), [(0, 256), (256, 256), (257, 1024), (32769, 65536)])
def test_bucket(length: int, bucket: int) -> None:
    assert bucket_of(length) == bucket


def test_a_prompt_that_is_too_long_is_refused(model: DiffusionGemma) -> None:
    look = model.fixed(FixedSize(2, 12, 3, 8))
    with pytest.raises(ValueError, match="do not fit"):
        look.load(model.encode(torch.arange(9)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fill_is_whole_and_repeats(case: Case, model: DiffusionGemma) -> None:
    driver = Captured(model)
    seen: list[Step] = []
    last = run(denoise(*request(model, case), on_step=seen.append), driver)
    again = run(denoise(*request(model, case)), driver)
    assert torch.equal(last.tokens, again.tokens), "same request, same answer"
    assert [step.number for step in seen] == list(range(1, last.number + 1))
    _, canvas, settings, _, banned = request(model, case)
    assert last.tokens.shape == canvas.places.shape
    assert not banned.expand(*last.tokens.shape, -1).gather(-1, last.tokens[..., None]).any()
    assert ((last.probability > 0) & (last.probability <= 1)).all()
    assert last.number <= settings.steps


def test_its_first_step_is_that_of_the_eager_driver(model: DiffusionGemma) -> None:
    case = Case("one step", {"steps": 1})
    replayed = captured(model, case)
    plain = run(denoise(*request(model, case)), Eager(model))
    real = request(model, case)[1].real
    assert torch.equal(replayed.tokens[real], plain.tokens[real])
    torch.testing.assert_close(replayed.probability[real], plain.probability[real])


def test_it_stops_one_step_after_all_are_done(model: DiffusionGemma) -> None:
    """What was said when a canvas was done is what stays."""
    case = Case("calm", {**CALM, "steps": 24})
    seen: list[Step] = []
    last = captured(model, case, on_step=seen.append)
    assert last.number < 24
    assert torch.equal(seen[-1].tokens, seen[-2].tokens)


def test_cancelled_between_steps(model: DiffusionGemma) -> None:
    asked: list[None] = []

    def cancelled() -> bool:
        asked.append(None)
        return len(asked) == 3

    with pytest.raises(Cancelled):
        captured(model, CASES[0], cancelled=cancelled)


COMPANY = {
    "of one size": [Case(""), Case("", seed=9, prompt=30), Case("", seed=5, prompt=2)],
    "of more sizes than are kept": [
        Case("", lengths=(2,)), Case("", lengths=(3, 4)), Case("", lengths=(5,)), Case("")
    ],
    "of other rules": [Case(""), Case("", CALM), Case("", {"greedy": False, "quota": True})],
    "with one that is not captured": [
        Case(""), Case("", {"self_conditioning": False}), Case("", seed=8)
    ],
}  # fmt: skip


@pytest.mark.parametrize("cases", COMPANY.values(), ids=COMPANY.keys())
def test_in_company_as_alone(cases: list[Case], model: DiffusionGemma) -> None:
    """Fills that take turns at one graph find their place as they left it."""
    alone = [captured(model, case) for case in cases]
    driver = Captured(model)
    waiting: dict[int, tuple[Generator[Question, Answer, Step], Question]] = {}
    found: dict[int, Step] = {}
    for at, case in enumerate(cases):
        steps = denoise(*request(model, case))
        waiting[at] = steps, next(steps)
    while waiting:
        answers = driver.answer([question for _, question in waiting.values()])
        for at, answer in zip(list(waiting), answers, strict=True):
            steps, _ = waiting.pop(at)
            try:
                waiting[at] = steps, steps.send(answer)
            except StopIteration as end:
                found[at] = end.value
    for at, expected in enumerate(alone):
        assert found[at].number == expected.number
        assert torch.equal(found[at].tokens, expected.tokens)
        torch.testing.assert_close(found[at].probability, expected.probability)


def test_only_the_sizes_used_last_are_kept(model: DiffusionGemma) -> None:
    driver = Captured(model)
    for length in (2, 3, 4, 3):
        run(denoise(*request(model, Case("", {"steps": 1}, lengths=(length,)))), driver)
    assert len(driver._steps) == KEPT


UNFIT = [{"order": "left", "slack": 5}, {"self_conditioning": False}, {"stability_threshold": 2}]


@pytest.mark.parametrize("changes", UNFIT, ids=str)
def test_what_the_captured_step_does_not_do_is_done_eagerly(
    changes: dict[str, Any], model: DiffusionGemma
) -> None:
    draws = Seeded(V, CPU, torch.Generator())
    assert does(SETTINGS, draws)
    assert not does(replace(SETTINGS, **changes), draws)
    case = Case("", changes)
    plain = run(denoise(*request(model, case)), Eager(model))
    assert torch.equal(captured(model, case).tokens, plain.tokens)
