"""Every kernel on a card, at the shapes of the 26B model, against its reference there."""

from __future__ import annotations

import pytest
import torch

from kernels.backend import INTERPRETED, triton
from kernels.trials import Sizes, trials

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available() or triton is None or INTERPRETED,
        reason="needs a CUDA device and Triton",
    ),
]

ERROR = 0.02  # relative: bfloat16 operands, and sums in another order

# (candidates, tokens of each, tokens of the prompt)
SHAPES = [(1, 256, 2048), (8, 32, 2048), (1, 1, 1), (3, 17, 77), (1, 63, 1023), (1, 255, 16384)]


@pytest.mark.parametrize("format", ["bf16", "fp8", "nvfp4", "w4a4"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@torch.no_grad()
def test_kernels(shape: tuple[int, int, int], format: str) -> None:
    torch.manual_seed(0)
    candidates, canvas, context = shape
    tried = trials(
        Sizes(),
        torch.device("cuda"),
        format=format,
        canvas=canvas,
        candidates=candidates,
        context=context,
    )
    # Inputs rounded to E2M1 are off by an eighth where values are spread evenly.
    most = 0.2 if format == "w4a4" else ERROR
    wrong = {trial.name: error for trial in tried if not (error := trial.error()) <= most}
    assert not wrong
