"""The two orders in which holes are resolved. V = 6 tokens; 5 is slack."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from engine.denoise.canvas import Canvas, Layout, lay_out
from engine.denoise.rules import Denoising, FromLeft, SurestFirst, rule_of
from engine.denoise.rules.from_left import from_left
from engine.denoise.rules.slack import ends, only_from
from engine.denoise.sampler import Seeded

SLACK = 5
LEFT = Denoising(
    steps=8,
    t_max=1.0,
    t_min=1.0,
    entropy_bound=0.1,
    confidence_threshold=0.0,
    stability_threshold=1,
    greedy=True,
    quota=True,
    self_conditioning=False,
    slack=SLACK,
    order="left",
)
NO_END = torch.tensor([0.0] * SLACK + [-9.0])
DRAWS = Seeded(6, torch.device("cpu"), torch.Generator().manual_seed(0))


def canvas(*lengths: int, between: int = 1) -> Canvas:
    layout: Layout | None = lay_out(
        [1], [[1] * between] * (len(lengths) - 1), [1, 1], lengths, 24, eos=None, pad=0,
        end_of_text=False,
    )  # fmt: skip
    assert layout is not None
    return Canvas.of([layout], torch.device("cpu"))


def says(*tokens: int, sure: float = 9.0) -> Tensor:
    """Logits that mean `tokens`, each with a margin of `sure`."""
    return torch.nn.functional.one_hot(torch.tensor([tokens]), 6).float() * sure


ENDS = [
    ("nowhere", (4,), [0.1, 0.5, 0.2, 0.0], [0, 0, 0, 0]),
    ("from the first majority on", (4,), [0.1, 0.6, 0.2, 0.9], [0, 1, 1, 1]),
    ("at once", (3,), [0.9, 0.0, 0.0], [1, 1, 1]),
    ("every hole for itself", (2, 2), [0.1, 0.9, 0.2, 0.3], [0, 1, 0, 0]),
]


@pytest.mark.parametrize("between", [0, 1])
@pytest.mark.parametrize(("name", "holes", "slack", "expected"), ENDS, ids=[c[0] for c in ENDS])
def test_ends(
    name: str, holes: tuple[int, ...], slack: list[float], expected: list[int], between: int
) -> None:
    found = ends(torch.tensor([slack]), canvas(*holes, between=between))
    assert found.long().tolist() == [expected]


def test_only_slack_from_the_end_and_none_before() -> None:
    ended = torch.tensor([[False, True]])
    kept = only_from(torch.zeros(1, 2, 6), SLACK, ended).isfinite()
    assert kept[0, 0].tolist() == [True] * 5 + [False]
    assert kept[0, 1].tolist() == [False] * 5 + [True]


RUNS = [
    ("the first, however unsure", (3,), [9.0, 9.0, 9.0], [1, 1, 1], 8, [1, 0, 0]),
    ("on while what is accepted is sure", (4,), [0.02, 0.03, 2.0, 0.0], [1] * 4, 8, [1, 1, 1, 0]),
    ("what is resolved costs nothing", (3,), [5.0, 0.0, 5.0], [0, 1, 1], 8, [0, 1, 1]),
    ("enough to be done in time", (4,), [9.0] * 4, [1] * 4, 2, [1, 1, 0, 0]),
    ("all of it at the last step", (3,), [9.0] * 3, [1] * 3, 0, [1, 1, 1]),
    ("in every hole", (2, 2), [9.0] * 4, [1] * 4, 8, [1, 0, 1, 0]),
]


@pytest.mark.parametrize(
    ("name", "holes", "unsure", "pending", "left", "expected"), RUNS, ids=[c[0] for c in RUNS]
)
def test_from_left(
    name: str,
    holes: tuple[int, ...],
    unsure: list[float],
    pending: list[int],
    left: int,
    expected: list[int],
) -> None:
    here = canvas(*holes)
    run = from_left(torch.tensor([unsure]), torch.tensor([pending]).bool(), 0.1, here, left)
    assert run.long().tolist() == [expected]


def test_what_is_accepted_is_final() -> None:
    here = canvas(3)
    rule = FromLeft(LEFT, here)
    first = rule.read(says(2, 3, SLACK, sure=2.0), here, 1, DRAWS)
    assert first.accepted.tolist() == [[True, False, False]]
    second = rule.read(says(4, 4, SLACK, sure=2.0), here, 2, DRAWS)
    assert second.tokens.tolist() == [[2, 4, SLACK]]
    assert second.probability[0, 0] == first.probability[0, 0]


def test_done_when_slack_follows_the_text() -> None:
    here = canvas(3)
    rule = FromLeft(LEFT, here)
    assert not rule.read(says(2, SLACK, SLACK, sure=2.0), here, 1, DRAWS).done.any()
    last = rule.read(says(2, SLACK, SLACK, sure=2.0), here, 2, DRAWS)
    assert last.done.all()
    # Of the end only the first slack token was decided.
    assert last.probability[0, 2] == 1.0
    assert 0.5 < float(last.probability[0, 1]) < 1.0


def test_rows_that_leave_are_forgotten() -> None:
    layouts = [lay_out([1], [], [1], [n], 12, eos=None, pad=0, end_of_text=False) for n in (2, 3)]
    here = Canvas.of([each for each in layouts if each is not None], torch.device("cpu"))
    rule = FromLeft(LEFT, here)
    rule.read(says(2, 3, 4).expand(2, -1, -1), here, 1, DRAWS)
    keep = torch.tensor([False, True])
    rule.keep(keep)
    reading = rule.read(says(2, 3, 4), here.rows(keep), 2, DRAWS)
    assert reading.tokens.shape == (1, 3)


def test_the_rule_of_an_order() -> None:
    assert isinstance(rule_of(LEFT, canvas(2)), FromLeft)
    assert isinstance(rule_of(replace(LEFT, order="surest"), canvas(2)), SurestFirst)
    with pytest.raises(ValueError, match="slack"):
        replace(LEFT, slack=None)


GROWTH = [(0.0, [1, 1, 0, 0]), (0.5, [1, 1, 1, 0]), (1.0, [1, 1, 1, 1])]


@pytest.mark.parametrize(("stride_growth", "expected"), GROWTH, ids=str)
def test_an_unlikely_text_is_resolved_faster(stride_growth: float, expected: list[int]) -> None:
    """The first token costs 1.4 nats of likelihood; those after it are unsure by 0.6 each."""
    here = canvas(4)
    rule = FromLeft(replace(LEFT, stride_growth=stride_growth), here)
    rule.read(says(2, 2, 2, 2, sure=0.5) + NO_END, here, 1, DRAWS)
    second = rule.read(says(2, 2, 2, 2, sure=3.2) + NO_END, here, 2, DRAWS)
    assert second.accepted.long().tolist() == [expected]


@pytest.mark.parametrize(
    ("abandon_loss", "done"),
    [(2.0, [False, False]), (1.0, [False, True]), (0.5, [False, True])],
)
def test_an_unlikely_text_is_abandoned_beside_a_better_one(
    abandon_loss: float, done: list[bool]
) -> None:
    """The first token costs one canvas 0.8 nats of likelihood, and the other 1.4."""
    here = canvas(4).rows(torch.tensor([0, 0]))
    rule = FromLeft(replace(LEFT, abandon_loss=abandon_loss), here)
    logits = torch.cat([says(2, 3, 4, 2, sure=1.5), says(2, 3, 4, 2, sure=0.5)]) + NO_END
    reading = rule.read(logits, here, 1, DRAWS)
    assert reading.done.tolist() == done
    assert reading.tokens.tolist() == [[2, 3, 4, 2]] * 2


@pytest.mark.parametrize("good", [False, True])
def test_the_last_canvas_is_resolved_unless_a_good_one_has_left(good: bool) -> None:
    here, rows = canvas(4), torch.tensor([0, 0])
    rule = FromLeft(
        replace(LEFT, abandon_loss=1.0 if not good else 3.5, quota=False), here.rows(rows)
    )
    likelier = says(2, 5, 5, 5, sure=20.0) if good else says(2, 3, 4, 2, sure=0.3) + NO_END
    unlikely = says(2, 3, 4, 2, sure=0.5) + NO_END
    done = [False, False]
    for number in range(1, 4):
        logits = torch.cat([likelier, unlikely])
        done = rule.read(logits, here.rows(rows), number, DRAWS).done.tolist()
        if any(done):
            break
    assert done == [True, False]
    rule.keep(torch.tensor([False, True]))
    ends_early = False
    for later in range(number + 1, 4):
        ends_early |= bool(rule.read(unlikely, here, later, DRAWS).done)
    assert ends_early is good
