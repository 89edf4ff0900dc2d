"""Everything but a family's own files knows it by the protocol alone: shown with a second one."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.api import EngineInfo, Fill, FillRequest, ModelMissing, OutOfMemory, Shape, Share
from engine.checkpoints import plan
from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.load import load_model
from engine.checkpoints.profile import read_profile
from engine.client.address import Loaded
from engine.client.connect import HostEngine
from engine.client.habits import Habits
from engine.fill.load import load_engine
from engine.fill.sharing import SharedEngine
from engine.measure.floor import step_work
from engine.models.family import Look, StepSize, model_types
from tests.engine.models import tiny_family

LINE = FillRequest(
    ("import os\nname = os.path\n\n\ndef f(x):\n    return ", "\n\nf(1)\n"), shape=Shape.LINE
)
REQUESTS = [
    LINE,
    replace(LINE, shape=Shape.BLOCK, max_tokens=9, seed=3),
    FillRequest(("a = ", "\nb = ", "\n"), max_tokens=5),
    FillRequest(("x = 1\nname = os.pa", "\n"), draft=("th",), shape=Shape.LINE),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_family.write(tmp_path_factory.mktemp("models") / "sums")


def test_it_is_known_by_its_model_type() -> None:
    assert {tiny_family.MODEL_TYPE, "diffusion_gemma"} <= set(model_types())


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: str(each.texts[-1]))
def test_it_fills(folder: Path, request_: FillRequest) -> None:
    engine = load_engine(str(folder), "cpu")
    drafts: list[Any] = []
    fill = engine.fill(request_, drafts.append)
    assert len(fill.texts) == request_.holes
    assert 1 <= fill.steps <= 5 * request_.holes
    assert drafts
    assert 0 <= fill.confidence <= 1
    again = engine.fill(request_)
    assert (again.texts, again.alternatives) == (fill.texts, fill.alternatives)


def test_what_it_lacks_is_left_out_by_name(folder: Path) -> None:
    """No likelihood of a causal pass ranks its fills, and no beam continues a line; what was looked
    up and what fits in still counts."""
    engine = load_engine(str(folder), "cpu")
    assert engine.model.causal is None
    rolled = engine.roll(LINE)
    assert rolled is not None
    for candidate in rolled.candidates:
        assert candidate.evidence.features().keys().isdisjoint({"middle", "suffix", "whole"})
    drafted = [each for each in rolled.candidates if each.evidence.match]
    assert any(each.log_probability is None for each in rolled.candidates) == bool(drafted)


def test_fills_share_its_looks(folder: Path) -> None:
    engine = load_engine(str(folder), "cpu")
    alone = [engine.fill(each) for each in REQUESTS]
    found: dict[int, Fill | BaseException] = {}

    def end(at: int) -> Any:
        return lambda outcome: found.setdefault(at, outcome)

    waiting = deque(Share(each, end(at), window=str(at % 2)) for at, each in enumerate(REQUESTS))
    SharedEngine(engine, 3).fill_together(lambda: waiting.popleft() if waiting else None)
    for at, expected in enumerate(alone):
        assert replace(found[at], seconds=0.0) == replace(expected, seconds=0.0)  # type: ignore[type-var]


def test_a_prompt_is_kept_between_keystrokes(folder: Path) -> None:
    model = load_model(folder)
    ids = torch.arange(40) + 20
    whole, parts = model.encode(ids), model.encode(ids[30:], model.encode(ids[:30]))
    canvas, positions = torch.full((2, 6), 30), torch.tensor([[1, 2], [4, 5]])
    for context in (parts, model.encode(torch.cat((ids, ids))).crop(40)):
        with torch.no_grad():
            one, other = model.look(
                [Look(canvas, whole, positions), Look(canvas, context, positions)]
            )
        assert one.shape == (2, 2, tiny_family.V)
        assert torch.equal(one, other)


def test_it_is_planned(folder: Path) -> None:
    checkpoint, profile = open_checkpoint(folder), read_profile(folder)
    assert checkpoint.format == "f32"
    cpu = torch.device("cpu")
    fitting = plan.fit("sums", checkpoint, profile, cpu, torch.float32)
    assert fitting.needs.weights == sum(each.nbytes for each in checkpoint.placed)
    with pytest.raises(OutOfMemory, match="sums needs at least"):
        plan.choose("sums", checkpoint.config, fitting.needs.weights, 1000, profile, "cpu")
    size = StepSize(2, 48, 6, 96, self_conditioning=False)
    work = step_work(checkpoint, torch.float32, False, size)
    assert work.bytes == fitting.needs.weights
    assert work.operations == 2.0 * tiny_family.V * 8 * 12


@pytest.mark.parametrize("has_head", [True, False])
def test_a_weight_may_be_stored_under_several_names(tmp_path: Path, has_head: bool) -> None:
    made: Any = load_model(tiny_family.write(tmp_path / "sums", has_head=has_head))
    assert torch.equal(made.out.weight, made.table.weight) is not has_head


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"model_type": "no_such"}, "describes a no_such model; choose a folder that holds a"),
        ({"model_type": tiny_family.MODEL_TYPE, "words": 3}, "'breadth' is missing"),
    ],
)
def test_what_is_not_understood_is_refused(
    config: dict[str, Any], says: str, tmp_path: Path
) -> None:
    folder = tiny_family.write(tmp_path / "sums")
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelMissing, match=says):
        open_checkpoint(folder)


def test_a_host_serves_it(folder: Path) -> None:
    """From a window, over the socket, to the model and back."""
    loaded = Loaded(str(folder), "cpu", "tests.engine.models.tiny_family:load")
    expected = load_engine(str(folder), "cpu").fill(LINE)
    with HostEngine(loaded, Habits(linger=0.0)) as engine:
        assert engine.info == EngineInfo(str(folder), "cpu", confidence="not calibrated")
        jobs = [engine.submit(each) for each in (LINE, *REQUESTS)]
        fills = [job.future.result(120) for job in jobs]
    assert replace(fills[0], seconds=0.0).texts == expected.texts
    assert all(
        len(fill.texts) == each.holes for fill, each in zip(fills[1:], REQUESTS, strict=True)
    )
