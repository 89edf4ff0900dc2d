"""The ways a dense model lies in a folder: in shards, with or without its prefix and head, in each
format; what it computes is what the model that was saved does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.checkpoints import plan
from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.formats.int8 import quantise
from engine.checkpoints.load import load_model, load_weights
from engine.models.family import Look, prepared
from kernels.weights import quantise_fp8
from tests.engine.models.backbones import BY_NAME, infill, reference, save

Tensors = dict[str, Tensor]


def bf16(tensors: Tensors) -> Tensors:
    return {name: tensor.bfloat16() for name, tensor in tensors.items()}


def int8(tensors: Tensors) -> Tensors:
    return _matrices(tensors, quantise)


def fp8(tensors: Tensors) -> Tensors:
    def both(matrix: Tensor) -> tuple[Tensor, Tensor]:
        packed = quantise_fp8(matrix)
        return packed.data, packed.scale[:, None].contiguous()

    return _matrices(tensors, both)


def _matrices(tensors: Tensors, of: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensors:
    stored: Tensors = {}
    for name, tensor in tensors.items():
        if name.endswith("_proj.weight"):
            stored[name], stored[f"{name}_scale"] = of(tensor)
        else:
            stored[name] = tensor
    return stored


def without_prefix(tensors: Tensors) -> Tensors:
    return {name.removeprefix("model."): tensor for name, tensor in tensors.items()}


def with_a_head(tensors: Tensors) -> Tensors:
    return {**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"].flip(0).contiguous()}


def meaning(stored: Tensors) -> Tensors:
    """The numbers that `stored` stands for, in float32."""
    return {
        name: tensor.float() * stored[f"{name}_scale"].float()
        if f"{name}_scale" in stored
        else tensor.float()
        for name, tensor in stored.items()
        if not name.endswith("_scale")
    }


def rewrite(folder: Path, change: Callable[[Tensors], Tensors]) -> None:
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path)


def logits(folder: Path, packed: bool = False, narrow: bool = False) -> Tensor:
    checkpoint, cpu = open_checkpoint(folder), torch.device("cpu")
    weights = load_weights(checkpoint, cpu, torch.float32, packed=packed, narrow=narrow)
    model = weights if packed else prepared(weights)
    at = torch.arange(9)[None]
    look = Look(torch.arange(30, 39)[None], model.encode(torch.arange(20)), at)
    found: Tensor = model.look([look])[0][0]
    return found


@pytest.mark.parametrize("change", [bf16, int8, fp8, without_prefix])
@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3, a bias, its own head"])
def test_each_format_computes_what_it_stands_for(
    change: Callable[[Tensors], Tensors], name: str, tmp_path: Path
) -> None:
    stored, floats = tmp_path / "stored", tmp_path / "floats"
    for folder in (stored, floats):
        save(reference(BY_NAME[name]), folder, infill("causal_prefix"))
    rewrite(stored, change)
    rewrite(floats, lambda tensors: meaning(change(tensors)))
    torch.testing.assert_close(logits(stored), logits(floats), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3, a bias, its own head"])
def test_weights_that_stay_packed_keep_their_biases(name: str, tmp_path: Path) -> None:
    folder = save(reference(BY_NAME[name]), tmp_path, infill("bidirectional", shift=True))
    rewrite(folder, fp8)
    torch.testing.assert_close(logits(folder, packed=True), logits(folder), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3, a bias, its own head"])
def test_what_is_made_narrow_as_it_is_read_is_fp8(name: str, tmp_path: Path) -> None:
    """Only matrices of the layers: embedding, head, norms and biases stay as they are."""
    stored = save(reference(BY_NAME[name]), tmp_path / "stored", infill("causal_prefix"))
    packed = save(reference(BY_NAME[name]), tmp_path / "packed", infill("causal_prefix"))
    rewrite(packed, fp8)
    narrow = logits(stored, packed=True, narrow=True)
    torch.testing.assert_close(narrow, logits(packed, packed=True), atol=0, rtol=0)
    checkpoint, float32 = open_checkpoint(stored), torch.float32
    planned = plan.loaded_bytes(checkpoint, float32, packed=True, narrow=True)
    assert planned == plan.loaded_bytes(open_checkpoint(packed), float32, packed=True)
    assert planned < plan.loaded_bytes(checkpoint, float32, packed=True)


@pytest.mark.parametrize("name", ["llama", "qwen2, its own head"])
def test_shards_are_one_model(name: str, tmp_path: Path) -> None:
    model = reference(BY_NAME[name])
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    save(model, whole, infill("causal_prefix"))
    save(model, parts, infill("causal_prefix"), max_shard_size="20KB")
    assert len(list(parts.glob("*.safetensors"))) > 2
    torch.testing.assert_close(logits(parts), logits(whole), atol=0, rtol=0)


def test_a_head_that_is_stored_counts_though_config_says_it_is_tied(tmp_path: Path) -> None:
    folder = save(reference(BY_NAME["qwen2"]), tmp_path, infill("bidirectional"))
    tied = logits(folder)
    rewrite(folder, with_a_head)
    assert json.loads((folder / "config.json").read_text("utf-8"))["tie_word_embeddings"] is True
    torch.testing.assert_close(logits(folder), tied.flip(-1), atol=1e-5, rtol=0)
    model = load_model(folder, "cpu", torch.float32)
    assert "lm_head.weight" in model.state_dict()
