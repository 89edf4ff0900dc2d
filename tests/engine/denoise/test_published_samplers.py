"""The orders of masked models against the published samplers, draw for draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch

from engine.denoise.canvas import Canvas, fill_hole, lay_out
from engine.denoise.drivers import Eager, run
from engine.denoise.loop import Denoising, Step, denoise
from engine.denoise.rules.schedule import spread
from engine.denoise.sampler import nucleus
from tests.engine.denoise import published
from tests.engine.denoise.published import Plain
from tests.engine.denoise.toy import DELETE, EXPAND, MASK, NO_BAN, Given, Nothing, Toy, V

CPU = torch.device("cpu")
BEFORE, AFTER = [10, 11, 12, 13], [14, 15, 16]
SETTINGS = Denoising(
    steps=8,
    t_max=1.0,
    t_min=1.0,
    entropy_bound=0.0,
    confidence_threshold=0.0,
    stability_threshold=0,
    greedy=True,
    quota=False,
    self_conditioning=False,
    order="confidence",
    mask=MASK,
)
SAMPLERS: dict[str, Callable[..., list[int]]] = {
    **dict.fromkeys(("confidence", "entropy", "margin"), published.most_certain),
    "p2": published.path_planning,
}


def settings_of(how: Plain, **more: Any) -> Denoising:
    return replace(
        SETTINGS,
        order=how.order,
        steps=how.steps,
        greedy=how.temperature == 0,
        t_max=how.temperature or 1.0,
        t_min=how.temperature or 1.0,
        top_p=how.top_p,
        position_temperature=how.position_temperature,
        rounding=how.rounding,
        tokens_per_step=how.tokens_per_step,
        **more,
    )


def canvas_of(*holes: int, between: int = 1, padded: bool = False) -> Canvas:
    """A canvas with holes of these lengths."""
    layout = lay_out(
        BEFORE, [[17] * between] * (len(holes) - 1), AFTER, holes, 40, eos=None, pad=0,
        end_of_text=False, padded=padded,
    )  # fmt: skip
    assert layout is not None
    made = Canvas.of([layout], CPU)
    return made.write(torch.full(made.places.shape, MASK))


def resolved(model: Toy, canvas: Canvas, settings: Denoising, seed: int = 0, **more: Any) -> Step:
    draws = Given(seed)
    return run(denoise(Nothing(), canvas, settings, draws, NO_BAN, **more), Eager(model))


def text_of(step: Step, hole: int = 0) -> list[int]:
    start, end = step.spans(0)[hole]
    return fill_hole(step.tokens[0, start:end].tolist(), DELETE)


HOW = {
    "greedy": {},
    "as many steps as tokens": {"steps": 9},
    "more steps than tokens": {"steps": 30},
    "one step": {"steps": 1},
    "two tokens a step": {"tokens_per_step": 2},
    "rounded to the nearest": {"rounding": "nearest"},
    "drawn": {"temperature": 0.8},
    "of a nucleus": {"temperature": 0.6, "top_p": 0.9},
    "greedy, certain within a nucleus": {"top_p": 0.5},
    "positions drawn too": {"temperature": 0.6, "top_p": 0.95, "position_temperature": 0.5},
}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("how", HOW.values(), ids=HOW.keys())
@pytest.mark.parametrize("order", SAMPLERS)
def test_as_published(order: str, how: dict[str, Any], seed: int) -> None:
    plain = Plain(order, **{"steps": 5, **how})
    if order == "p2":
        plain = replace(plain, position_temperature=0.0, tokens_per_step=None)
    model = Toy(seed)
    text = [*BEFORE, *[MASK] * 9, *AFTER]
    expected = SAMPLERS[order](model.logits, text, plain, Given(seed))
    step = resolved(model, canvas_of(9), settings_of(plain), seed)
    assert step.tokens[0].tolist() == expected[4:13]
    assert ((step.probability > 0) & (step.probability <= 1)).all()


@pytest.mark.parametrize("order", SAMPLERS)
def test_each_canvas_goes_its_own_way(order: str) -> None:
    """Side by side with longer and shorter ones, as alone."""
    model, settings = Toy(), replace(SETTINGS, order=order)
    layouts = [
        lay_out(
            BEFORE, [], AFTER, [n], 40, eos=None, pad=0, end_of_text=False, padded=False
        )
        for n in (3, 9, 6)
    ]  # fmt: skip
    together = Canvas.of([each for each in layouts if each is not None], CPU)
    together = together.write(torch.full(together.places.shape, MASK))
    found = resolved(model, together, settings)
    for row, length in enumerate((3, 9, 6)):
        alone = resolved(model, canvas_of(length), settings)
        assert found.tokens[row, :length].tolist() == alone.tokens[0].tolist()
        torch.testing.assert_close(found.probability[row, :length], alone.probability[0])


@pytest.mark.parametrize("order", SAMPLERS)
def test_what_a_hole_begins_with_stays(order: str) -> None:
    seen: list[Step] = []
    layout = lay_out(
        BEFORE, [], AFTER, [7], 40, eos=None, pad=0, end_of_text=False, padded=False
    )  # fmt: skip
    assert layout is not None
    begun = canvas_of(7).begin_with([layout], [[20, 21, 22]], None)
    resolved(Toy(), begun, replace(SETTINGS, order=order), on_step=seen.append)
    assert all(step.tokens[0, :3].tolist() == [20, 21, 22] for step in seen)
    assert not (seen[-1].tokens == MASK).any()


def canvases(model: Toy, canvas: Canvas, settings: Denoising) -> Iterator[Canvas]:
    """What the model looks at, step by step."""
    steps = denoise(Nothing(), canvas, settings, Given(0), NO_BAN)
    driver, question = Eager(model), next(steps)
    while True:
        yield question.canvas
        try:
            question = steps.send(driver.answer([question])[0])
        except StopIteration:
            return


@pytest.mark.parametrize("order", ["confidence", "entropy", "margin"])
def test_what_was_chosen_stays(order: str) -> None:
    """A token that a step chooses is on every canvas after it."""
    seen = canvases(Toy(3), canvas_of(8), replace(SETTINGS, order=order))
    for before, after in pairwise(each.read() for each in seen):
        kept = before != MASK
        assert torch.equal(after[kept], before[kept])
        assert (after != MASK).sum() > kept.sum()


def test_p2_masks_again_what_became_doubtful() -> None:
    again = 0
    for seed in range(8):
        seen = canvases(Toy(seed), canvas_of(8), replace(SETTINGS, order="p2"))
        for before, after in pairwise(each.read() for each in seen):
            again += int(((before != MASK) & (after == MASK)).sum())
    assert again > 0


def lean(delete: float, expand: float) -> torch.Tensor:
    leaning = torch.zeros(V)
    leaning[DELETE], leaning[EXPAND] = delete, expand
    return leaning


GROWING = {
    "as it comes": {},
    "deletes": {"delete": 2.5},
    "expands": {"expand": 3.0},
    "expands more than there is room for": {"expand": 9.0},
    "both": {"delete": 2.0, "expand": 2.5},
    "runs out of expansions": {"expand": 9.0, "budget": 3},
    "runs out of steps": {"expand": 2.0, "steps": 4},
    "two tokens a step": {"delete": 1.5, "expand": 2.0, "tokens_per_step": 2},
    "four tokens a step": {"expand": 3.0, "tokens_per_step": 4},
    "as DreamOn is run": {
        "delete": 1.0, "expand": 2.0, "order": "entropy", "temperature": 0.2, "top_p": 0.9
    },
    "nothing is left of it": {"delete": 30.0},
}  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
@pytest.mark.parametrize("case", GROWING.values(), ids=GROWING.keys())
def test_a_hole_grows_and_shrinks_as_published(case: dict[str, Any], seed: int) -> None:
    case = dict(case)
    model = Toy(seed, lean(case.pop("delete", 0.0), case.pop("expand", 0.0)))
    budget = case.pop("budget", 12)
    plain = Plain(**{"order": "confidence", "steps": 60, "tokens_per_step": 1, **case})
    expected = published.dream_on(
        model.logits, BEFORE, 6, AFTER, plain, Given(seed), most=10, budget=budget
    )
    settings = settings_of(
        plain, slack=DELETE, expand=EXPAND, hole_tokens=10, expansions=budget
    )  # fmt: skip
    step = resolved(model, canvas_of(6), settings, seed)
    assert text_of(step) == expected
    assert MASK not in expected


def test_it_did_grow_and_shrink() -> None:
    """The cases above are not all of one length."""
    lengths = set()
    for seed in range(6):
        for delete, expand in ((2.5, 0.0), (0.0, 3.0)):
            settings = settings_of(
                Plain("confidence", 60, tokens_per_step=1),
                slack=DELETE, expand=EXPAND, hole_tokens=10, expansions=12,
            )  # fmt: skip
            step = resolved(Toy(seed, lean(delete, expand)), canvas_of(6), settings)
            lengths.add(len(text_of(step)))
    assert min(lengths) < 6 < max(lengths)


@pytest.mark.parametrize("holes", [(4, 4), (3, 5, 2)])
@pytest.mark.parametrize("between", [0, 2])
@pytest.mark.parametrize(("delete", "expand"), [(3.0, 1.0), (1.0, 3.0), (6.0, 6.0)])
def test_of_several_holes_each_grows_for_itself(
    holes: tuple[int, ...], between: int, delete: float, expand: float
) -> None:
    """What is pinned stays exact at every step, in its order, and no hole outgrows its room."""
    model = Toy(5, lean(delete, expand))
    settings = settings_of(
        Plain("entropy", 80, tokens_per_step=1),
        slack=DELETE, expand=EXPAND, hole_tokens=7, expansions=9,
    )  # fmt: skip
    canvas = canvas_of(*holes, between=between)
    pinned = [*BEFORE, *[17] * between * (len(holes) - 1), *AFTER]
    for here in canvases(model, canvas, settings):
        assert here.lengths is not None
        text = here.ids[0, : here.lengths[0]].tolist()
        open_ = set(here.places[0][here.real[0]].tolist())
        assert [token for at, token in enumerate(text) if at not in open_] == pinned
        assert all(length <= 7 for length in here.holes[0])
        assert len(open_) == sum(here.holes[0])
    last = resolved(model, canvas, settings)
    for hole in range(len(holes)):
        assert not {MASK, EXPAND} & set(text_of(last, hole))


def test_a_draft_stays_while_its_hole_grows() -> None:
    layout = lay_out(
        BEFORE, [], AFTER, [6], 40, eos=None, pad=0, end_of_text=False, padded=False
    )  # fmt: skip
    assert layout is not None
    begun = canvas_of(6).begin_with([layout], [[20, 21]], None)
    settings = settings_of(
        Plain("confidence", 60, tokens_per_step=1),
        slack=DELETE, expand=EXPAND, hole_tokens=12, expansions=12,
    )  # fmt: skip
    for delete, expand in ((0.0, 3.0), (9.0, 0.0), (3.0, 3.0)):
        step = resolved(Toy(2, lean(delete, expand)), begun, settings)
        assert text_of(step)[:2] == [20, 21]


@pytest.mark.parametrize("apart", [False, True], ids=["everywhere", "at the ends"])
def test_tokens_that_may_not_be_written_are_not_while_a_hole_grows(apart: bool) -> None:
    banned = torch.zeros(V, dtype=torch.bool)
    banned[4:12] = True
    if apart:  # as where a seam is healed: the first position has tokens of its own
        banned = banned.expand(1, 6, V).clone()
        banned[0, 0] = torch.arange(V) != 20
    settings = settings_of(
        Plain("confidence", 60, tokens_per_step=1),
        slack=DELETE, expand=EXPAND, hole_tokens=10, expansions=12,
    )  # fmt: skip
    for seed in range(4):
        model = Toy(seed, lean(1.0, 3.0))
        step = run(
            denoise(Nothing(), canvas_of(6), settings, Given(0), banned), Eager(model)
        )  # fmt: skip
        written = text_of(step)
        assert not set(written) & set(range(4, 12))
        assert not apart or written[0] == 20


@pytest.mark.parametrize("rounding", ["down", "nearest"])
@pytest.mark.parametrize("masked", [1, 2, 7, 16, 33])
@pytest.mark.parametrize("steps", [1, 3, 16, 64])
def test_all_tokens_are_spread_over_the_steps(masked: int, steps: int, rounding: str) -> None:
    counts = spread(masked, steps, rounding)  # type: ignore[arg-type]
    assert sum(counts) == masked
    assert len(counts) <= steps
    assert all(counts)
    assert list(counts) == published.even_shares(masked, Plain("", steps, rounding=rounding))


@pytest.mark.parametrize("top_p", [0.0, 0.3, 0.9, 0.999, 1.0])
def test_a_nucleus_larger_than_is_looked_at_first(top_p: float) -> None:
    """300 tokens, nearly alike: more than the first 64 belong to it."""
    logits = 0.01 * torch.randn(2, 3, 300, generator=torch.Generator().manual_seed(0))
    kept = nucleus(logits, top_p).isfinite()
    p = logits.softmax(-1)
    for row, inside in zip(p.flatten(0, 1), kept.flatten(0, 1), strict=True):
        ranked = row.sort(descending=True)
        before = ranked.values.cumsum(-1) - ranked.values
        count = 300 if top_p == 1.0 else int((before <= top_p).sum())
        assert int(inside.sum()) == pytest.approx(count, abs=1)
        assert inside[ranked.indices[: count - 1]].all()


WRONG = [
    ({"mask": None}, "needs a mask"),
    ({"order": "p2", "expand": EXPAND, "tokens_per_step": 1}, "a hole grows"),
    ({"order": "surest", "expand": EXPAND, "tokens_per_step": 1}, "a hole grows"),
    ({"expand": EXPAND}, "tokens_per_step"),
]


@pytest.mark.parametrize(("changes", "says"), WRONG, ids=str)
def test_settings_that_mean_nothing(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(SETTINGS, **changes)


def test_a_canvas_of_one_width_does_not_change_its_length() -> None:
    """There deletes are slack, which is left out of the text, and nothing expands."""
    settings = settings_of(
        Plain("confidence", 60, tokens_per_step=1),
        slack=DELETE, expand=EXPAND, hole_tokens=10, expansions=12,
    )  # fmt: skip
    step = resolved(Toy(1, lean(2.0, 9.0)), canvas_of(6, padded=True), settings)
    assert step.holes == ((6,),)
    assert EXPAND not in text_of(step)
