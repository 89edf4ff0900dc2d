"""The approximate prefix cache of models that read their prompt with the canvas: exact where what
was kept is of the same canvas, and how much is lost where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.models.family import Look, prepared
from tests.engine.models.backbones import BY_NAME, infill, ours, reference

PROMPT = torch.arange(30) % 90


def look(canvas: Tensor, context: Any, memory: dict[str, Any], prompt: Any, **more: Any) -> Look:
    at = torch.arange(canvas.shape[1]).expand(len(canvas), -1)
    return Look(canvas, context, at, memory=memory, prompt=prompt, **more)


@pytest.fixture(params=["plain", "prepared"])
def made(request: pytest.FixtureRequest) -> Any:
    def make(name: str, shift: bool, folder: Path) -> Any:
        model = ours(reference(BY_NAME[name]), folder, infill("bidirectional", shift))
        return prepared(model) if request.param == "prepared" else model

    return make


@pytest.mark.parametrize("lengths", [None, (9, 5, 7)], ids=["of one length", "of other lengths"])
@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize("name", ["llama", "qwen3, a bias, its own head"])
@torch.no_grad()
def test_of_the_same_canvas_it_is_exact(
    name: str, shift: bool, lengths: tuple[int, ...] | None, made: Any, tmp_path: Path
) -> None:
    model = made(name, shift, tmp_path)
    context, memory = model.encode(PROMPT), dict[str, Any]()
    canvas = torch.randint(97, (3, 9), generator=torch.Generator().manual_seed(1))
    more = {"lengths": lengths}
    exact = model.look([look(canvas, context, {}, "read", **more)])[0]
    kept = model.look([look(canvas, context, memory, "keep", **more)])[0]
    again = model.look([look(canvas, context, memory, "reuse", **more)])[0]
    # A canvas that has left the batch leaves those of the others alone.
    rest = {
        "rows": torch.tensor([0, 2]),
        "lengths": None if lengths is None else (lengths[0], lengths[2]),
    }
    fewer = model.look([look(canvas[[0, 2]], context, memory, "reuse", **rest)])[0]
    for row, length in enumerate(lengths or (9, 9, 9)):
        for found in (kept, again):
            torch.testing.assert_close(found[row, :length], exact[row, :length], atol=1e-4, rtol=0)
    torch.testing.assert_close(fewer[1, :7], exact[2, :7], atol=1e-4, rtol=0)


@pytest.mark.parametrize("prompt", [0, 1, 2])
@torch.no_grad()
def test_a_prompt_of_next_to_nothing(prompt: int, made: Any, tmp_path: Path) -> None:
    model = made("qwen2", True, tmp_path)
    context, memory = model.encode(PROMPT[:prompt]), dict[str, Any]()
    canvas = torch.arange(6)[None]
    kept = model.look([look(canvas, context, memory, "keep")])[0]
    again = model.look([look(canvas, context, memory, "reuse")])[0]
    torch.testing.assert_close(again, kept, atol=1e-4, rtol=0)


@torch.no_grad()
def test_what_is_lost_when_the_canvas_changes_is_bounded(tmp_path: Path) -> None:
    """Random weights, the hardest case: nothing was learnt that would make a prompt's keys depend
    little on what follows it. The loss is there, and smaller than that of having no prompt."""
    model = ours(reference(BY_NAME["qwen2"]), tmp_path, infill("bidirectional", shift=True))
    context, memory = model.encode(PROMPT), dict[str, Any]()
    draw = torch.Generator().manual_seed(2)
    before, after = (torch.randint(97, (4, 8), generator=draw) for _ in range(2))
    model.look([look(before, context, memory, "keep")])
    exact = model.look([look(after, context, {}, "read")])[0].log_softmax(-1)
    reused = model.look([look(after, context, memory, "reuse")])[0].log_softmax(-1)
    without = model.look([look(after, model.encode(PROMPT[:0]), {}, "read")])[0].log_softmax(-1)

    def divergence(found: Tensor) -> float:
        return float((exact.exp() * (exact - found)).sum(-1).mean())

    assert 0 < divergence(reused) < divergence(without)
