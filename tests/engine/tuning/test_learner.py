"""A learner: only the difference learns, through the family's protocol, and it goes on exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from engine.checkpoints.load import load_model
from engine.checkpoints.profile import Profile, read_profile
from engine.checkpoints.tokenizer import read_tokenizer
from engine.evaluation.cutting import Text
from engine.fill.writable import Writable
from engine.tuning.learner import STATE, Learner, Settings
from engine.tuning.lessons import Lessons
from engine.tuning.loss import loss_of
from tests.engine.evaluation.test_pauses import PYTHON
from tests.engine.tuning.conftest import KINDS, LEARNING, VOCABULARY

TEXTS = [Text("a.py", PYTHON * 3, "python")]
QUICK = Settings(rank=4, rate=0.02, warmup=0.01, lessons=1)


def lessons_of(folder: Path) -> tuple[Lessons, Profile]:
    profile = read_profile(folder)
    tokenizer = read_tokenizer(folder / "tokenizer.json")
    writable = Writable(tokenizer, VOCABULARY, profile, torch.device("cpu"))
    return Lessons(TEXTS, tokenizer, profile, writable, VOCABULARY), profile


@pytest.mark.parametrize("kind", KINDS)
def test_every_family_has_a_loss(model_folder: Callable[[str], Path], kind: str) -> None:
    folder = model_folder(kind)
    lessons, _ = lessons_of(folder)
    model = load_model(folder)
    lesson = next(each for n in range(9) if (each := lessons.lesson(n)).canvases)
    loss = loss_of(model, lesson)
    assert loss.hole is not None
    assert 0 < float(loss.hole) < 30
    assert (loss.causal is None) == (model.causal is None)
    again = loss_of(model, lesson, self_conditioning=True)
    assert again.hole is not None


def test_a_loss_is_that_of_each_canvas_on_its_own(model_folder: Callable[[str], Path]) -> None:
    """One reading of a stretch, cut off, serves all of them."""
    from dataclasses import replace

    folder = model_folder("causal prefix")
    lessons, _ = lessons_of(folder)
    model, lesson = load_model(folder), lessons.lesson(0)
    together = loss_of(model, lesson).hole
    losses = [loss_of(model, replace(lesson, ids=each.ids or [0], canvases=[each]))
              for each in lesson.canvases]  # fmt: skip
    sizes = torch.tensor([sum(each.weights) for each in lesson.canvases])
    alone = (torch.stack([each.hole for each in losses]) * sizes).sum() / sizes.sum()
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", LEARNING)
def test_it_learns_what_is_repeated(model_folder: Callable[[str], Path], kind: str) -> None:
    folder = model_folder(kind)
    lessons, _ = lessons_of(folder)
    learner = Learner(load_model(folder), QUICK)
    frozen = {name: p.detach().clone() for name, p in learner.model.named_parameters()
              if not p.requires_grad}  # fmt: skip
    seen = [lessons.lesson(number) for number in range(2)]
    before = learner.loss(seen)
    for _ in range(12):
        learner.step(seen, 0.2, self_conditioning=kind == "diffusion gemma")
    assert learner.loss(seen) < before - 0.3
    for name, parameter in learner.model.named_parameters():
        if not parameter.requires_grad:
            assert parameter.equal(frozen[name])
    assert learner.progress.steps == 12
    assert learner.progress.loss is not None


def test_a_model_without_projections_says_so(model_folder: Callable[[str], Path]) -> None:
    with pytest.raises(ValueError, match="no projections"):
        Learner(load_model(model_folder("no projections")), QUICK)


def test_it_goes_on_as_if_it_had_not_stopped(
    model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = model_folder("causal prefix")
    lessons, _ = lessons_of(folder)

    def steps(learner: Learner, numbers: range) -> None:
        for number in numbers:
            learner.step([lessons.lesson(number)], number / 9, self_conditioning=False)

    whole = Learner(load_model(folder), QUICK)
    steps(whole, range(5))
    first = Learner(load_model(folder), QUICK)
    steps(first, range(3))
    first.save(tmp_path, {"base": "a", "seconds": 60})
    second = Learner(load_model(folder), QUICK)
    assert second.resume(tmp_path, {"base": "a", "seconds": 60})
    assert second.progress == first.progress
    steps(second, range(3, 5))
    for name, parameter in whole.learned.items():
        assert parameter.equal(second.learned[name])


@pytest.mark.parametrize("fault", ["another run", "cut off", "nothing", "no state"])
def test_a_state_of_something_else_is_not_gone_on_from(
    model_folder: Callable[[str], Path], tmp_path: Path, fault: str
) -> None:
    folder = model_folder("causal prefix")
    learner = Learner(load_model(folder), QUICK)
    learner.save(tmp_path, {"base": "a"})
    path = tmp_path / STATE
    match fault:
        case "cut off":
            path.write_bytes(path.read_bytes()[:-7])
        case "nothing":
            path.write_bytes(b"")
        case "no state":
            path.unlink()
    identity = {"base": "b" if fault == "another run" else "a"}
    assert not Learner(load_model(folder), QUICK).resume(tmp_path, identity)


def test_the_rate_rises_and_falls() -> None:
    settings = Settings(rate=1.0, warmup=0.1, final=0.05)
    assert settings.rate_at(0.05) == pytest.approx(0.5)
    assert settings.rate_at(0.1) == pytest.approx(1.0)
    assert settings.rate_at(0.55) == pytest.approx(0.525)
    assert settings.rate_at(1.0) == settings.rate_at(2.0) == pytest.approx(0.05)
    assert not math.isnan(settings.rate_at(0.0))
