"""The floor of a step: against benchmarks/limits.py, which counts it kernel by kernel."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest
import torch

from engine.checkpoints.catalog import EMBEDDED_FOLDER, FAMILY
from engine.checkpoints.checkpoint import Checkpoint, Placed, open_checkpoint
from engine.checkpoints.files import read_json
from engine.checkpoints.formats import PLAIN
from engine.checkpoints.survey import SHAPE
from engine.fill.load import load_engine
from engine.measure.floor import Rates, step_work
from engine.measure.speed import gaps, measure, prompt_times
from engine.models.diffusion_gemma import Config, DiffusionGemma
from engine.models.family import StepSize, Work
from tests.engine.checkpoints import published

LIMITS = Path(__file__).parents[3] / "benchmarks" / "limits.py"


@pytest.fixture(scope="module")
def real() -> Checkpoint:
    """DiffusionGemma in bfloat16, without files."""
    config = Config.from_json(read_json(SHAPE))
    with torch.device("meta"):
        model = DiffusionGemma(config)
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    placed = [Placed(name, tuple(each.shape), PLAIN, ()) for name, each in tensors.items()]
    return Checkpoint(Path(), config, tuple(placed))


@pytest.mark.parametrize(
    ("candidates", "canvas", "context"), [(1, 32, 2048), (8, 32, 2048), (1, 256, 512)]
)
def test_it_is_what_all_kernels_do(
    candidates: int,
    canvas: int,
    context: int,
    real: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = importlib.util.spec_from_file_location("limits", LIMITS)
    assert spec is not None
    assert spec.loader is not None
    limits = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "limits", limits)  # its dataclasses look there
    spec.loader.exec_module(limits)
    counts = limits.step_counts("bf16", candidates, canvas, context)
    found = step_work(
        real, torch.bfloat16, False, StepSize(candidates, canvas, canvas, context, True)
    )
    assert found.operations == pytest.approx(sum(each.operations for each in counts), rel=1e-3)
    # There, what one kernel hands to the next counts too.
    assert 0.95 < found.bytes / sum(each.bytes for each in counts) <= 1


def test_what_is_kept_packed_is_read_packed(tmp_path: Path) -> None:
    published.write(tmp_path, layers=1, vocabulary=64)
    checkpoint = open_checkpoint(tmp_path)
    shape = StepSize(8, 256, 96, 0, False)
    whole = step_work(checkpoint, torch.bfloat16, False, shape)
    packed = step_work(checkpoint, torch.bfloat16, True, shape)
    assert packed.operations == whole.operations
    assert 0.25 < packed.bytes / whole.bytes < 0.4


def test_seconds_are_those_of_what_takes_longer() -> None:
    assert Rates(bandwidth=2, operations=5).seconds(Work(10, 10)) == 5
    assert Rates(bandwidth=5, operations=2).seconds(Work(10, 10)) == 5


def test_the_prompt_that_was_typed_on_is_reused() -> None:
    told = prompt_times(load_engine("embedded", "cpu"))
    assert 0.5 < told["reused"] < 1
    assert told["cold"] > 0
    for prefix, suffix in gaps(5):
        assert prefix.endswith(" = ")
        assert suffix.startswith("\n")


def test_a_familys_name_is_measured_as_the_model_that_was_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`diffusiongemma` names no folder; here the one format of it is the embedded model's files."""
    monkeypatch.setenv("INFILL_MODELS", str(tmp_path))
    folder = shutil.copytree(EMBEDDED_FOLDER, tmp_path / f"{FAMILY}-bf16")
    (folder / "pulled.json").write_text('{"files": {}}')
    found = measure(FAMILY, "cpu", 2)
    assert found["model"] == f"{FAMILY}-bf16"
    assert found["format"] == measure("embedded", "cpu", 2)["format"]
    assert found["step"]["floor"] > 0
