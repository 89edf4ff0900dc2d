"""Dense models whose every kernel is interpreted, beside the same models by way of the references:
attention in both directions and behind a kept prompt, linear layers in FP8, norms, the vocabulary.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.load import load_model, load_weights
from engine.models.family import Look
from kernels import backend
from kernels.weights import FP8
from tests.engine.models.backbones import Backbone, infill, reference, save

sys.path.insert(0, str(Path(__file__).parent))


@dataclass(frozen=True, slots=True)
class Case:
    """`shape`: of the backbone, tiny but for its heads."""

    name: str
    kind: str
    shape: dict[str, Any] = field(default_factory=dict)
    attention: str = "bidirectional"
    shift: bool = False
    fp8: bool = False


TWO_LAYERS = {"num_hidden_layers": 2, "vocab_size": 331, "intermediate_size": 80}
OF_64 = {**TWO_LAYERS, "hidden_size": 112, "head_dim": 64, "num_attention_heads": 14}
OF_128 = {**TWO_LAYERS, "hidden_size": 56, "head_dim": 128, "num_attention_heads": 7}
CASES = [
    # Heads and their groups as Open-dCoder, Dream and Tiny-A2D have them: 14 to 2, 28 to 4, 16 to 8
    Case("as open-dcoder", "qwen2", {**OF_64, "num_key_value_heads": 2}, shift=True),
    Case(
        "as dream, in fp8",
        "qwen2",
        {**OF_128, "num_key_value_heads": 1, "tie_word_embeddings": False},
        shift=True,
        fp8=True,
    ),
    Case("as a2d", "qwen3", {**OF_128, "num_attention_heads": 4, "num_key_value_heads": 2}),
    Case("behind a causal prefix", "llama", {**OF_64, "num_key_value_heads": 2}, "causal_prefix"),
]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def models(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, Any]:
    """In bfloat16 as a card has it, and in float64."""
    case: Case = request.param
    made = reference(Backbone(case.name, case.kind, case.shape))
    folder = save(made, tmp_path, infill(case.attention, shift=case.shift))
    checkpoint, cpu = open_checkpoint(folder), torch.device("cpu")
    ours = load_weights(checkpoint, cpu, torch.bfloat16, packed=True, narrow=case.fp8)
    packed = [each for each in ours.layers[0].mlp.children() if isinstance(each.weight, FP8)]
    assert len(packed) == (3 if case.fp8 else 0)
    return ours, load_model(folder, "cpu", torch.float64)


def looks_of(model: Any, memory: dict[str, Any], prompt: str = "read") -> list[Look[Any]]:
    draw = torch.Generator().manual_seed(1)
    context = model.encode(torch.randint(9, 331, (21,), generator=draw))
    canvas = torch.randint(9, 331, (2, 9), generator=draw)
    at = torch.tensor([[2, 3, 4, 7], [0, 1, 4, 5]])
    given: dict[str, Any] = {"memory": memory, "prompt": prompt}
    return [Look(canvas, context, at, lengths=(9, 6), **given)]


def by_references(monkeypatch: pytest.MonkeyPatch, do: Callable[[], Any]) -> Any:
    with monkeypatch.context() as patch:
        patch.setattr(backend, "FORCED", "reference")
        return do()


def test_a_look(models: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a prompt that is read, kept and used again."""
    ours, exact = models
    memories: list[dict[str, Any]] = [{}, {}, {}]
    for prompt in ("keep", "reuse"):
        (found,) = ours.look(looks_of(ours, memories[0], prompt))
        (plain,) = by_references(
            monkeypatch, lambda prompt=prompt: ours.look(looks_of(ours, memories[1], prompt))
        )
        (truth,) = by_references(
            monkeypatch, lambda prompt=prompt: exact.look(looks_of(exact, memories[2], prompt))
        )
        # Two layers of roundings, more of them where the interpreter cuts off; and in FP8 those of
        # the weights too.
        size, fp8 = truth.abs().max(), isinstance(ours.layers[0].mlp.up_proj.weight, FP8)
        torch.testing.assert_close(found / size, plain / size, rtol=0, atol=0.08)
        atol = 0.4 if fp8 else 0.1
        torch.testing.assert_close(found / size, truth.float() / size, rtol=0, atol=atol)


def test_beliefs_are_those_of_the_logits(models: tuple[Any, Any]) -> None:
    ours, _ = models
    banned = torch.rand(331) < 0.3
    everywhere, apart = banned, banned.expand(2, 4, -1) & (torch.rand(2, 4, 331) < 0.8)
    for barred in (everywhere, apart):
        (beliefs,) = ours.believe(looks_of(ours, {}), [barred])
        (logits,) = ours.look(looks_of(ours, {}))
        p: Tensor = logits.masked_fill(barred, -torch.inf).flatten(0, 1).double().softmax(dim=-1)
        # The logits are rounded to bfloat16, the kernel's are not.
        chosen = p.gather(1, beliefs.likeliest[:, None]).squeeze(1)
        assert (chosen >= 0.9 * p.amax(dim=-1)).all()
        assert not barred.expand(2, 4, -1).flatten(0, 1).gather(1, beliefs.likeliest[:, None]).any()
        entropy = -(p * p.clamp_min(1e-30).log()).sum(dim=-1)
        torch.testing.assert_close(beliefs.probability.double(), chosen, rtol=0.15, atol=1e-3)
        torch.testing.assert_close(beliefs.entropy.double(), entropy, rtol=0.05, atol=0.05)
        assert beliefs.embedding is None


def test_without_kernels_there_are_only_logits(
    models: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, exact = models
    banned = [torch.zeros(331, dtype=torch.bool)]
    assert exact.believe(looks_of(exact, {}), banned) is None  # float64: the kernels are bfloat16's
    monkeypatch.setattr(backend, "FORCED", "reference")
    assert ours.believe(looks_of(ours, {}), banned) is None
