"""A snapshot as it ships: what its shards hold, what is read of them, and that `transformers` reads
the same once they are floats again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.formats import grouped
from engine.checkpoints.load import load_model
from engine.models.dense import CausalPrefix
from engine.training.adapt import export as exporting
from engine.training.adapt.calibration import second_moments
from engine.training.adapt.export import Storage, dequantise, export
from engine.training.adapt.tokens import MASK, SLACK


@dataclass(frozen=True, slots=True)
class Case:
    """`error` bounds that of a layer's matrix, in parts of its size."""

    storage: Storage
    format: str
    error: float

    def __str__(self) -> str:
        return self.format


CASES = [
    Case(Storage(8), "int8", 0.01),
    Case(Storage(5, 32), "int5 in groups of 32", 0.05),
    Case(Storage(5, 64), "int5 in groups of 64", 0.055),
    Case(Storage(4, 32), "int4 in groups of 32", 0.1),
]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("snapshot")
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=211,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).bfloat16().save_pretrained(folder)
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    return folder


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_read_is_near_the_snapshot(case: Case, snapshot: Path, tmp_path: Path) -> None:
    size = export(snapshot, tmp_path, case.storage)
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.format == case.format
    assert size == sum(file.stat().st_size for file in tmp_path.glob("*.safetensors")) - sum(
        _header(file) for file in tmp_path.glob("*.safetensors")
    )
    assert checkpoint.config.masking.mask == MASK
    assert checkpoint.config.masking.slack == SLACK
    model = load_model(tmp_path, "cpu", torch.float32, packed=False)
    exact = load_file(snapshot / "model.safetensors")
    for name, found in model.state_dict().items():
        given = exact[f"model.{name}"].float()
        assert (found - given).norm() <= case.error * given.norm(), name


@pytest.mark.parametrize("case", CASES, ids=str)
@torch.no_grad()
def test_transformers_reads_the_same(case: Case, snapshot: Path, tmp_path: Path) -> None:
    shipped, floats = tmp_path / "shipped", tmp_path / "floats"
    export(snapshot, shipped, case.storage)
    dequantise(shipped, floats, torch.float32)
    ids = torch.arange(3, 60)
    theirs = AutoModelForCausalLM.from_pretrained(floats, dtype=torch.float32)(ids[None]).logits[0]
    ours = load_model(shipped, "cpu", torch.float32, packed=False)
    assert isinstance(ours, CausalPrefix)
    torch.testing.assert_close(ours.score(ids), theirs, atol=1e-4, rtol=1e-4)


def test_no_shard_is_larger_than_it_may_be(
    snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "SHARD", 25_000)
    export(snapshot, tmp_path, Storage(5, 32))
    shards = sorted(tmp_path.glob("*.safetensors"))
    assert len(shards) > 2
    assert all(file.stat().st_size - _header(file) <= 25_000 for file in shards)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text("utf-8"))
    assert set(index["weight_map"].values()) == {file.name for file in shards}
    open_checkpoint(tmp_path)


@torch.no_grad()
def test_errors_that_are_made_up_for_say_more(snapshot: Path, tmp_path: Path) -> None:
    chunks = [torch.randint(13, 211, (512,)) for _ in range(4)]
    inputs = second_moments(snapshot, chunks)
    exact = load_file(snapshot / "model.safetensors")
    assert inputs.keys() == {name for name in exact if name.endswith("_proj.weight")}
    for name, moments in inputs.items():
        matrix = exact[name].float()
        alone, together = (
            (_read(grouped.quantise(matrix, 4, 32, given)) - matrix) for given in (None, moments)
        )
        lost_alone, lost = ((each @ moments * each).sum() for each in (alone, together))
        assert lost < lost_alone, name


@pytest.mark.parametrize("bits", [4, 5])
@pytest.mark.parametrize("group", [16, 32, 64])
def test_codes_are_packed_and_read_back(bits: int, group: int, tmp_path: Path) -> None:
    matrix = torch.randn(24, 128) * torch.logspace(-3, 2, 24)[:, None]
    quantised = grouped.quantise(matrix, bits, group)
    stored = quantised.stored(bits)
    assert sum(part.nbytes for part in stored.values()) == (
        24 * 128 * bits // 8 + 2 * 24 * 128 // group + 2 * 24
    )
    save_file({f"w.{suffix}": part for suffix, part in stored.items()}, tmp_path / "x.safetensors")
    integers = quantised.integers().int()
    assert integers.abs().max() <= 127
    low, high = stored["weight_low"], stored.get("weight_high")
    assert torch.equal(grouped._codes(low, high), quantised.codes)


def _read(quantised: grouped.Grouped) -> torch.Tensor:
    return quantised.integers().float() * quantised.scale.float()


def _header(file: Path) -> int:
    return 8 + int.from_bytes(file.read_bytes()[:8], "little")
