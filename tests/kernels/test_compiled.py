"""Kernels compiled for cards that are not here, at the shapes of the 26B model.

A few of them: `benchmarks/resources.py` compiles every kernel for every card.
"""

from __future__ import annotations

import pytest

from kernels import backend

pytestmark = pytest.mark.skipif(
    backend.triton is None or backend.INTERPRETED, reason="needs Triton's compiler"
)

# (capability, format, kernel, what its PTX multiplies with)
CASES = [
    (86, "nvfp4", "gate_up", "mma.sync"),
    (89, "fp8", "down", "mma.sync"),
    (90, "bf16", "gate_up", "wgmma"),
    (100, "nvfp4", "down", ("tcgen05.mma", "mma.sync")),
    (120, "bf16", "soften", "mma.sync"),
    (80, "bf16", "merge_norms", None),
]


@pytest.mark.parametrize(("capability", "format", "name", "instruction"), CASES)
def test_compiled(capability: int, format: str, name: str, instruction) -> None:
    from kernels.compiled import compile_launch
    from kernels.shapes import CARDS, step_launches

    card = backend.Card(capability, CARDS[capability])
    launches = step_launches(card, format)
    (launched,) = (each for each in launches if each.kernel.__name__ == f"_{name}")
    built = compile_launch(launched, capability)
    assert built.spills == 0
    assert 0 < built.registers <= 255
    assert built.shared_memory <= card.shared_memory
    if instruction is None:
        assert built.tensor_cores == ()
    else:
        assert any(each.startswith(instruction) for each in built.tensor_cores)


# (capability, model, format, kernel): the shapes of masked models that people can download.
DENSE_CASES = [
    (80, "open-dcoder-0.5b", "bf16", "attention"),
    (86, "dream-7b", "fp8", "linear"),
    (89, "dream-7b", "fp8", "attention"),
    (90, "dream-7b", "bf16", "head"),
    (86, "open-dcoder-0.5b", "bf16", "merge"),
    (100, "open-dcoder-0.5b", "fp8", "linear"),
    (120, "dream-7b", "fp8", "rms_norm"),
]


@pytest.mark.parametrize(("capability", "model", "format", "name"), DENSE_CASES)
def test_masked_models_compiled(capability: int, model: str, format: str, name: str) -> None:
    from kernels.compiled import compile_launch
    from kernels.dense_shapes import dense_launches
    from kernels.shapes import CARDS

    card = backend.Card(capability, CARDS[capability])
    launches = dense_launches(card, model, format)
    launched = next(each for each in launches if each.kernel.__name__ == f"_{name}")
    built = compile_launch(launched, capability)
    assert built.spills == 0
    assert 0 < built.registers <= 255
    assert built.shared_memory <= card.shared_memory


def test_no_wrapper_reads_from_the_card() -> None:
    """Meta tensors hold nothing to read: every wrapper gets to its launches all the same."""
    from kernels.shapes import step_launches

    for format in ("bf16", "fp8", "nvfp4"):
        launches = step_launches(backend.Card(120, 170), format, canvas=32, candidates=8)
        assert {launched.kernel.__name__ for launched in launches} >= {"_gate_up", "_head"}
