"""A low-rank difference: what learns is what is added to the weights, in every format of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.api import FillRequest, ModelMissing
from engine.checkpoints.load import load_model
from engine.checkpoints.low_rank import adapt, merged
from engine.checkpoints.tuned import ADAPTER, TUNED, sampled_digest
from engine.evaluation.question import digest_weights
from engine.fill.load import load_engine
from engine.models.family import Look, Model
from kernels.weights import INT8, NVFP4, Weight, dequantise, quantise_fp8, quantise_nvfp4
from tests.engine.tuning.conftest import LEARNING

PROMPT = torch.randint(20, 4000, (9,), generator=torch.Generator().manual_seed(0))
CANVAS = torch.randint(20, 4000, (2, 12), generator=torch.Generator().manual_seed(1))
POSITIONS = torch.tensor([[2, 3, 7], [0, 5, 11]])


@torch.no_grad()
def logits_of(model: Model) -> Tensor:  # type: ignore[type-arg]
    return model.look([Look(CANVAS, model.encode(PROMPT), POSITIONS)])[0]


def learn_anything(learned: dict[str, torch.nn.Parameter], seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in learned.items():
            if name.endswith(".b"):
                parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))


def tuned_copy(base: Path, folder: Path, adapter: dict[str, Tensor]) -> Path:
    folder.mkdir()
    for path in base.glob("*.json"):
        shutil.copyfile(path, folder / path.name)
    save_file(adapter, folder / ADAPTER)
    told = {"base": str(base), "digest": sampled_digest(base)}
    (folder / TUNED).write_text(json.dumps(told))
    return folder


@pytest.mark.parametrize("kind", LEARNING)
def test_a_tuned_folder_loads_as_what_learned(
    model_folder: Callable[[str], Path], kind: str, tmp_path: Path
) -> None:
    base = model_folder(kind)
    model = load_model(base)
    untouched = logits_of(model)
    learned = adapt(model, rank=3)
    assert logits_of(model).equal(untouched), "an adapted model begins as the model it was"
    learn_anything(learned)
    taught = logits_of(model)
    assert not taught.allclose(untouched, atol=1e-3)
    adapter = {name: each.detach() for name, each in learned.items()}
    folder = tuned_copy(base, tmp_path / "tuned", adapter)
    torch.testing.assert_close(logits_of(load_model(folder)), taught, atol=2e-4, rtol=2e-4)
    assert digest_weights(folder) != digest_weights(base)


def test_the_engine_fills_with_a_tuned_folder(
    model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    base = model_folder("causal prefix")
    learned = adapt(load_model(base), rank=2)
    learn_anything(learned)
    adapter = {name: each.detach().bfloat16() for name, each in learned.items()}
    engine = load_engine(str(tuned_copy(base, tmp_path / "tuned", adapter)), "cpu")
    assert engine.fill(FillRequest(("def f(x):\n    return ", "\n"), max_tokens=4)).texts


@pytest.mark.parametrize(
    ("weight", "tolerance"),
    [
        (torch.randn(16, 32), 1e-6),
        (torch.randn(16, 32).bfloat16(), 0.02),
        (quantise_fp8(torch.randn(16, 32)), 0.2),
        (INT8(torch.randint(-127, 128, (16, 32), dtype=torch.int8), torch.full((16,), 0.02)), 0.1),
        (quantise_nvfp4(torch.randn(16, 32), 2), 0.8),
    ],
    ids=["float32", "bfloat16", "fp8", "int8", "nvfp4"],
)
def test_every_format_stays_what_it_is(weight: Weight, tolerance: float) -> None:
    a, b = torch.randn(2, 32), 0.1 * torch.randn(16, 2)
    given = [("x_proj.weight", weight), ("norm.weight", torch.ones(3))]
    found = dict(merged(given, {"x_proj.weight.a": a, "x_proj.weight.b": b}))
    assert type(found["x_proj.weight"]) is type(weight)
    assert found["norm.weight"] is given[1][1]
    if isinstance(weight, NVFP4):
        assert found["x_proj.weight"].tensor_scale.shape == weight.tensor_scale.shape
    if not isinstance(weight, NVFP4):
        assert found["x_proj.weight"].shape == weight.shape
    wanted = dequantise(weight, torch.float32) + b @ a
    torch.testing.assert_close(
        dequantise(found["x_proj.weight"], torch.float32), wanted, atol=tolerance, rtol=0.1
    )


@pytest.mark.parametrize(
    ("adapter", "message"),
    [
        ({"x.a": torch.ones(2, 5), "x.b": torch.ones(4, 2)}, "does not fit"),
        ({"x.a": torch.ones(2, 3)}, "does not fit"),
        ({"y.a": torch.ones(2, 3), "y.b": torch.ones(4, 2)}, "which the model lacks"),
    ],
    ids=["another width", "half of it", "another weight"],
)
def test_an_adapter_of_another_model_is_refused(adapter: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ModelMissing, match=message):
        list(merged([("x", torch.ones(4, 3))], adapter))


def _retrain(base: Path, folder: Path) -> None:
    path = base / "model.safetensors"
    weights = bytearray(path.read_bytes())
    middle = len(weights) // 2  # as all of it changes, any place does
    weights[middle:] = bytes(255 - each for each in weights[middle:])
    path.write_bytes(weights)


def _go(base: Path, folder: Path) -> None:
    shutil.rmtree(base)


def _damage(base: Path, folder: Path) -> None:
    (folder / TUNED).write_text("{}")


def _cut(base: Path, folder: Path) -> None:
    (folder / ADAPTER).write_bytes((folder / ADAPTER).read_bytes()[:-9])


@pytest.mark.parametrize(
    ("happens", "message"),
    [
        (_retrain, "another version"),
        (_go, "a model that is gone"),
        (_damage, "damaged"),
        (_cut, "cannot be read"),
    ],
)
def test_what_cannot_be_used_says_why(
    model_folder: Callable[[str], Path],
    tmp_path: Path,
    happens: Callable[[Path, Path], None],
    message: str,
) -> None:
    base = Path(shutil.copytree(model_folder("causal prefix"), tmp_path / "base"))
    adapter = {name: each.detach() for name, each in adapt(load_model(base), 2).items()}
    folder = tuned_copy(base, tmp_path / "tuned", adapter)
    load_model(folder)
    happens(base, folder)
    with pytest.raises(ModelMissing, match=f"{message}.*infill-ls tune"):
        load_model(folder)
