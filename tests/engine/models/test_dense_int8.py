"""Dense models that a CPU runs in INT8, as they are stored: fused or not, with every bias and norm,
they compute what their weights stand for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.formats import grouped, int8
from engine.checkpoints.load import load_weights
from engine.checkpoints.packed import PackedEmbedding
from engine.models.branches import Branches
from engine.models.dense import CausalPrefix
from engine.models.dense.matrices import Integers
from engine.models.family import Look, prepared
from kernels.int8 import multiplies_int8
from tests.engine.models.backbones import BACKBONES, Backbone, infill, reference, save

CPU = torch.device("cpu")
needs_vnni = pytest.mark.skipif(not multiplies_int8(), reason="this CPU multiplies no int8")


def stored(backbone: Backbone, folder: Path, bits: int) -> Path:
    """A random model whose matrices are in so many bits."""
    save(reference(backbone), folder, infill("causal_prefix"))
    tensors = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        if tensor.ndim < 2:
            tensors[name] = tensor
        elif bits == 8 or not name.endswith("_proj.weight") or tensor.shape[1] % 16:
            tensors[name], tensors[f"{name}_scale"] = int8.quantise(tensor)
        else:
            module = name.removesuffix("weight")
            parts = grouped.quantise(tensor, bits, 16).stored(bits)
            tensors |= {module + suffix: part for suffix, part in parts.items()}
    save_file(tensors, folder / "model.safetensors")
    return folder


def logits(model: CausalPrefix) -> torch.Tensor:
    """Of canvases, of a text, and of branches after it."""
    ids = torch.arange(3, 40)
    context = model.encode(ids[20:], model.encode(ids[:20]))
    canvas = torch.arange(30, 48).view(2, 9)
    (seen,) = model.look([Look(canvas, context, torch.tensor([[0, 4, 8], [1, 2, 3]]))])
    branches = Branches.of([[4, 5, 6], [4, 9]], 0, model.grain, CPU)
    scored = model.score_branches(branches, context.length, context, [0, 1], [5, 6])
    return torch.cat((seen.flatten(), model.score(ids).flatten(), scored))


@needs_vnni
@pytest.mark.parametrize("bits", [4, 5, 8])
@pytest.mark.parametrize("backbone", BACKBONES, ids=str)
@torch.no_grad()
def test_integers_compute_what_they_stand_for(
    backbone: Backbone, bits: int, tmp_path: Path
) -> None:
    checkpoint = open_checkpoint(stored(backbone, tmp_path, bits))
    floats = load_weights(checkpoint, CPU, torch.float32, packed=False)
    plain = load_weights(checkpoint, CPU, torch.float32)
    assert isinstance(plain.embed_tokens, PackedEmbedding)
    torch.testing.assert_close(logits(plain), logits(floats), atol=1e-4, rtol=0)
    fused = prepared(plain)
    assert isinstance(fused.head, Integers)
    assert all(isinstance(layer.down, Integers) for layer in fused.layers)
    error = logits(fused) - logits(floats)
    assert error.norm() < 1e-3 * logits(floats).norm()


@torch.no_grad()
def test_a_cpu_that_multiplies_none_gets_floats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = open_checkpoint(stored(BACKBONES[0], tmp_path, 5))
    monkeypatch.setattr("engine.checkpoints.packed.multiplies_int8", lambda: False)
    fused = prepared(load_weights(checkpoint, CPU, torch.float32))
    floats = load_weights(checkpoint, CPU, torch.float32, packed=False)
    assert not isinstance(fused.head, Integers)
    torch.testing.assert_close(logits(fused), logits(floats), atol=1e-4, rtol=0)
