"""Training sees what filling sees: the same logits of the same canvases, the same signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.denoise import drivers
from engine.denoise.canvas import Canvas
from engine.denoise.drivers import Eager
from engine.denoise.loop import Denoising, denoise
from engine.denoise.sampler import Seeded
from engine.models.diffusion_gemma import DiffusionGemma
from engine.models.family import Look, build
from engine.training.data import DEL, EOS, MASK, PAD
from engine.training.objective import Batch, believed, causal_loss, hidden_states, joint_loss
from engine.training.optimiser import Optimiser

B, T, K, C = 2, 24, 3, 12


@pytest.fixture(scope="module")
def batch() -> Batch:
    """Two chunks, the second with padding, and canvases at their starts, ends and between."""
    generator = torch.Generator().manual_seed(0)
    chunk = torch.randint(20, 4000, (B, T), generator=generator)
    length = torch.tensor([T, 15])
    weight = (torch.arange(T) < length[:, None]).float()
    chunk = torch.where(weight > 0, chunk, PAD)
    target = torch.randint(20, 4000, (B, K, C), generator=generator)
    target[:, :, -3], target[:, :, -2:] = EOS, PAD
    target[:, :, 6] = DEL
    pinned = torch.ones(B, K, C, dtype=torch.bool)
    for row in range(B):
        for at in range(K):
            pinned[row, at, 2 + at : 7 + at] = False
    pinned[0, 0, 8] = False  # noised beyond its slot
    kept = pinned | (torch.rand(B, K, C, generator=generator) < 0.3)
    canvas = torch.where(kept, target, MASK)
    start = torch.tensor([[0, 7, T], [1, 15, 9]])
    return Batch(chunk, weight, canvas, start, target, (~pinned).float(), pinned)


@pytest.fixture(scope="module")
def model(tiny: Any) -> DiffusionGemma:
    assert tiny.settings.model["sliding_window"] > T + C
    found: DiffusionGemma = tiny.model
    return found


def rows(batch: Batch) -> list[tuple[int, int, Tensor]]:
    """(row of canvases, chunk, its tokens before the canvas)."""
    return [
        (chunk * K + at, chunk, batch.chunk[chunk, : batch.start[chunk, at]])
        for chunk in range(B)
        for at in range(K)
    ]


@pytest.mark.parametrize("conditioned", [False, True])
def test_canvases_get_the_logits_of_filling(
    conditioned: bool, batch: Batch, model: DiffusionGemma
) -> None:
    generator = torch.Generator().manual_seed(1)
    soft = torch.randn(B * K, C, model.config.hidden_size, generator=generator)
    chunk, canvas = hidden_states(model, batch, soft if conditioned else None)
    for row, at, prompt in rows(batch):
        expected = model.decode(
            batch.canvas.view(B * K, C)[row : row + 1],
            model.encode(prompt),
            self_conditioning=soft[row : row + 1] if conditioned else None,
        )
        torch.testing.assert_close(model.logits(canvas[row]), expected[0], atol=1e-4, rtol=0)
        torch.testing.assert_close(
            model.logits(chunk[at]), model.score(batch.chunk[at][None])[0], atol=1e-4, rtol=0
        )


def test_zeros_are_no_signal(batch: Batch, model: DiffusionGemma) -> None:
    zeros = torch.zeros(B * K, C, model.config.hidden_size)
    for one, two in zip(
        hidden_states(model, batch, zeros), hidden_states(model, batch, None), strict=True
    ):
        torch.testing.assert_close(one, two)


def test_the_signal_is_that_of_denoising(batch: Batch, model: DiffusionGemma) -> None:
    expected = believed(model, batch)
    settings = Denoising(
        steps=2,
        t_max=1.0,
        t_min=1.0,
        entropy_bound=0.1,
        confidence_threshold=0.0,
        stability_threshold=1,
        greedy=True,
        quota=True,
        self_conditioning=True,
    )
    for row, _, prompt in rows(batch):
        told: list[Tensor | None] = []

        class Spy:
            def look(self, looks: Sequence[Look[Any]]) -> list[Tensor]:
                told.append(looks[0].signal)  # noqa: B023
                return model.look(looks)

            def __getattr__(self, name: str) -> Any:
                return getattr(model, name)

        places = (~batch.pinned.view(B * K, C)[row]).nonzero().view(1, -1)
        canvas = Canvas(
            batch.canvas.view(B * K, C)[row : row + 1], places, torch.ones_like(places).bool()
        )
        draws = Seeded(4096, torch.device("cpu"), torch.Generator(), torch.tensor([MASK]))
        spy: Any = Spy()
        free = torch.zeros(4096).bool()
        drivers.run(denoise(model.encode(prompt), canvas, settings, draws, free), Eager(spy))
        assert told[0] is None
        torch.testing.assert_close(told[1], expected[row : row + 1], atol=1e-4, rtol=0)


def loss_of(model: DiffusionGemma, batch: Batch) -> list[float]:
    return [float(part) for part in joint_loss(model, batch, None, 0.5)]


def test_the_loss_is_cross_entropy_where_there_is_weight(
    batch: Batch, model: DiffusionGemma
) -> None:
    weighted = replace(batch, weight=batch.weight * torch.rand(B, K, C))
    total, slot, causal = loss_of(model, weighted)
    chunk, canvas = hidden_states(model, weighted, None)
    log_p = model.logits(canvas).log_softmax(-1).view(B, K, C, -1)
    surprise = -log_p.gather(-1, weighted.target[..., None]).squeeze(-1) * weighted.weight
    assert slot == pytest.approx(float(surprise.sum() / weighted.weight.sum()), rel=1e-4)
    log_p = model.logits(chunk)[:, :-1].log_softmax(-1)
    surprise = -log_p.gather(-1, batch.chunk[:, 1:, None]).squeeze(-1) * batch.chunk_weight[:, 1:]
    assert causal == pytest.approx(
        float(surprise.sum() / batch.chunk_weight[:, 1:].sum()), rel=1e-4
    )
    assert total == pytest.approx(slot + 0.5 * causal)
    assert float(causal_loss(model, batch)) == pytest.approx(causal, rel=1e-5)


def test_padding_counts_in_nothing(batch: Batch, model: DiffusionGemma) -> None:
    expected = loss_of(model, batch)
    poisoned = replace(
        batch,
        chunk=torch.where(batch.chunk_weight > 0, batch.chunk, 999),
        target=torch.where(batch.weight > 0, batch.target, 999),
    )
    assert loss_of(model, poisoned) == pytest.approx(expected, rel=1e-6)
    for name in ("chunk", "target"):  # and what does count, counts
        other = getattr(batch, name).clone()
        other[0, ..., 5] = 999
        assert loss_of(model, replace(batch, **{name: other})) != pytest.approx(expected, rel=1e-6)


def test_canvases_do_not_see_each_other_nor_what_follows(
    batch: Batch, model: DiffusionGemma
) -> None:
    _, expected = hidden_states(model, batch, None)
    canvas = batch.canvas.clone()
    canvas[0, 1] = 777
    chunk = batch.chunk.clone()
    chunk[0, 7:] = 888  # canvas 1 of chunk 0 begins there
    _, found = hidden_states(model, replace(batch, canvas=canvas, chunk=chunk), None)
    for row in range(B * K):
        sees = row in (1, 2)  # its own canvas; the rest of the chunk, from canvas 2
        assert torch.allclose(found[row], expected[row], atol=1e-5) == (not sees)


def test_chunks_alone_need_no_canvas(batch: Batch, model: DiffusionGemma) -> None:
    none = torch.zeros(B, 0, 0, dtype=torch.long)
    alone = Batch(
        batch.chunk, batch.chunk_weight, none, none.sum(-1), none, none.float(), none.bool()
    )
    assert torch.equal(causal_loss(model, alone), causal_loss(model, batch))


def test_a_batch_moves_whole(batch: Batch) -> None:
    assert torch.equal(batch.to(torch.device("cpu")).pinned, batch.pinned)


def test_no_part_of_a_step_is_bound_to_the_cpu(
    batch: Batch, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a device that has nothing in common with the CPU, a tensor left there is an error."""
    monkeypatch.setattr(torch.fx.experimental._config, "meta_nonzero_assume_all_nonzero", True)
    elsewhere = torch.device("meta")
    model = build(tiny.settings.architecture()).to(elsewhere)
    optimiser = Optimiser(model, 0.02, 0.003, 0.95)
    here = batch.to(elsewhere)
    with torch.autocast("cpu", enabled=False), torch.compiler.set_stance("force_eager"):
        total, _, _ = joint_loss(model, here, believed(model, here), 0.6)
        (total + causal_loss(model, here)).backward()
    gradients = {
        parameter.grad.device for parameter in model.parameters() if parameter.grad is not None
    }
    optimiser.step(0, 1.0)
    assert gradients == {elsewhere}
    assert {state.device for state in optimiser.state.values()} == {elsewhere}
