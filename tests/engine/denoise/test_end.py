"""When a fill is done, and which positions are accepted until then."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from engine.api import Cancelled
from engine.denoise.loop import Step
from engine.denoise.rules.surest_first import surest
from tests.engine.denoise.test_denoise import (
    NOISE,
    SETTINGS,
    Beliefs,
    Fake,
    Spy,
    V,
    canvas_of,
    rows_of,
    run,
    vague,
)


def certain(token: int) -> Beliefs:
    """The same token everywhere, beyond doubt."""
    return lambda look, canvas: (
        50.0 * torch.nn.functional.one_hot(torch.full(canvas.shape, token), V).to(torch.float32)
    )


@pytest.mark.parametrize("before", [1, 2, 5])
def test_cancelled_before_a_step_stops_at_once(before: int) -> None:
    spy = Spy(Fake(vague()))
    steps: list[Step] = []
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked == before

    with pytest.raises(Cancelled):
        run(spy, canvas_of((3,)), on_step=steps.append, cancelled=cancelled)
    assert len(spy.canvases) == len(steps) == before - 1


def test_rows_that_are_done_leave_and_keep_their_result() -> None:
    """Row 0 is sure from the first look on, row 1 from the third, row 2 never."""
    canvas = canvas_of((1, 2), (4,), (3,))
    sure_from = torch.tensor([0, 2, 99])
    marks = torch.tensor([10, 11, 12])

    def beliefs(look: int, shown: Tensor) -> Tensor:
        rows = rows_of(shown)
        sure = (50.0 * torch.eye(V)[marks[rows]])[:, None].expand(*shown.shape, V)
        is_sure = (look >= sure_from[rows])[:, None, None]
        return torch.where(is_sure, sure, vague(loudness=0.1)(look, shown))

    banned = torch.zeros(*canvas.places.shape, V, dtype=torch.bool)
    for row in range(3):
        banned[row, :, marks[(row + 1) % 3]] = True  # a ban stays with its row
    steps: list[Step] = []
    last, spy = run(Fake(beliefs), canvas, banned=banned, on_step=steps.append)
    # sure at looks 0 and 1 (stable): row 0 leaves after two looks, row 1 after four
    assert [len(shown) for shown in spy.canvases] == [3, 3, 2, 2, 1, 1]
    signals = [signal for signal in spy.signals if signal is not None]
    assert [len(signal) for signal in signals] == [3, 2, 2, 1, 1]
    assert last.number == SETTINGS.steps == len(steps)
    assert (last.tokens[0][canvas.real[0]] == 10).all()
    assert (last.tokens[1][canvas.real[1]] == 11).all()
    assert not (last.tokens[2][canvas.real[2]] == 12).all()
    assert (last.probability[:2][canvas.real[:2]] > 0.99).all()
    for step in steps[1:]:
        assert torch.equal(step.tokens[0], last.tokens[0])


def test_it_ends_when_all_rows_are_done() -> None:
    last, spy = run(Fake(certain(9)), canvas_of((2,), (3,)), replace(SETTINGS, steps=48))
    assert last.number == len(spy.canvases) == 2


@pytest.mark.parametrize(("threshold", "looks"), [(0, 1), (1, 2), (3, 4), (20, 6)])
def test_stability(threshold: int, looks: int) -> None:
    settings = replace(SETTINGS, stability_threshold=threshold)
    last, spy = run(Fake(certain(9)), canvas_of((2,), (3,)), settings)
    assert last.number == len(spy.canvases) == looks


@pytest.mark.parametrize("quota", [True, False])
@pytest.mark.parametrize("threshold", [0, 1])
def test_one_step(quota: bool, threshold: int) -> None:
    settings = replace(SETTINGS, steps=1, quota=quota, stability_threshold=threshold)
    canvas = canvas_of((2,), (3,))
    last, spy = run(Fake(vague()), canvas, settings)
    assert last.number == len(spy.canvases) == 1
    assert torch.equal(last.tokens, spy.logits[0].argmax(-1))
    expected = spy.logits[0].softmax(-1).amax(-1)
    torch.testing.assert_close(last.probability, expected)


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 10])
def test_a_quota_makes_the_hole_whole(steps: int) -> None:
    """However unsure the model is, an even share more is accepted at every step."""
    canvas = canvas_of((1,), (7,), (5, 3), width=16)
    shy = replace(SETTINGS, steps=steps, entropy_bound=1e-6)
    _, spy = run(Fake(vague(loudness=0.01)), canvas, replace(shy, quota=True))
    for number, shown in enumerate(spy.canvases[1:], start=1):
        written = (shown.gather(1, canvas.places) != NOISE) & canvas.real
        wanted = [-(-len_ * number // steps) for len_ in canvas.real.sum(-1).tolist()]
        assert written.sum(-1).tolist() == wanted
    _, spy = run(Fake(vague(loudness=0.01)), canvas, shy)
    for shown in spy.canvases[1:]:
        assert ((shown.gather(1, canvas.places) != NOISE) & canvas.real).sum(-1).tolist() == [1] * 3


@given(st.data())
def test_surest(data: st.DataObject) -> None:
    rows, most = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 12))
    lengths = [data.draw(st.integers(1, most)) for _ in range(rows)]
    unsure = torch.tensor([[data.draw(st.floats(0, 3)) for _ in range(most)] for _ in range(rows)])
    real = torch.arange(most) < torch.tensor(lengths)[:, None]
    of = data.draw(st.integers(1, 50))
    number = data.draw(st.integers(1, of))
    chosen = surest(unsure, real, number, of)
    for row, length in enumerate(lengths):
        wanted = -(-length * number // of)
        order = sorted(range(length), key=lambda at: float(unsure[row, at]))
        assert set(chosen[row].nonzero().flatten().tolist()) == set(order[:wanted])


def test_greedy_takes_the_likeliest_and_sampling_draws() -> None:
    canvas = canvas_of((8,))
    settings = replace(SETTINGS, entropy_bound=100.0, steps=8)
    likeliest = drawn = 0
    for greedy in (True, False):
        _, spy = run(Fake(vague()), canvas, replace(settings, greedy=greedy))
        for logits, shown in zip(spy.logits, spy.canvases[1:], strict=False):
            written = shown.gather(1, canvas.places)
            assert (written != NOISE).all()
            same = int((written == logits.argmax(-1)).sum())
            if greedy:
                assert same == written.numel()
            likeliest, drawn = likeliest + same * greedy, drawn + same * (not greedy)
    assert likeliest == 7 * 8
    assert 0 < drawn < likeliest


def test_sampling_follows_the_temperature() -> None:
    """Next to nothing of it leaves the likeliest token; plenty leaves any."""
    for heat, share in ((1e-3, 1.0), (100.0, 0.25)):
        settings = replace(SETTINGS, t_max=heat, t_min=heat, entropy_bound=100.0)
        _, spy = run(Fake(vague()), canvas_of((9,), (9,)), settings)
        same = [
            (shown.gather(1, canvas_of((9,), (9,)).places) == logits.argmax(-1)).float().mean()
            for logits, shown in zip(spy.logits, spy.canvases[1:], strict=False)
        ]
        mean = float(torch.stack(same).mean())
        assert mean == 1.0 if share == 1.0 else mean < share
