"""The denoising loop, with a model that says what a test wants, and with a tiny random one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.denoise import drivers
from engine.denoise.canvas import Canvas, lay_out
from engine.denoise.drivers import Eager
from engine.denoise.loop import Denoising, Step, denoise
from engine.denoise.sampler import Seeded
from engine.models.diffusion_gemma import DiffusionGemma, KVCache
from engine.models.family import Look

V, H = 23, 6
NOISE = 22  # in no text and never believed: an open position that shows it was not accepted
CPU = torch.device("cpu")
EMPTY = KVCache((), ())

# What the model believes after a look at canvases [b, C], at the n-th look of all: [b, C, V].
Beliefs = Callable[[int, Tensor], Tensor]


@dataclass
class Spy:
    """A model whose every look is recorded: what it was shown, and what it said."""

    model: Any
    canvases: list[Tensor] = field(default_factory=list)
    signals: list[Tensor | None] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)

    def look(self, looks: Sequence[Look[Any]]) -> list[Tensor]:
        [look] = looks
        [said] = self.model.look(looks)
        self.canvases.append(look.canvas)
        self.signals.append(look.signal)
        self.logits.append(said)
        return [said]

    def signal(self, *believed: Tensor) -> Tensor | None:
        signal: Tensor | None = self.model.signal(*believed)
        return signal

    def embed(self, ids: Tensor) -> Tensor:
        embedded: Tensor = self.model.embed(ids)
        return embedded

    def soft_embedding(self, logits: Tensor) -> Tensor:
        soft: Tensor = self.model.soft_embedding(logits)
        return soft


@dataclass
class Fake:
    beliefs: Beliefs
    looks: int = 0

    def look(self, looks: Sequence[Look[Any]]) -> list[Tensor]:
        [look] = looks
        said = self.beliefs(self.looks, look.canvas)
        self.looks += 1
        return [said.gather(1, look.positions[..., None].expand(-1, -1, V))]

    def signal(self, beliefs: Tensor, canvas: Tensor, positions: Tensor, real: Tensor) -> Tensor:
        soft, signal = self.soft_embedding(beliefs), self.embed(canvas)
        for row, here in enumerate(real):
            signal[row, positions[row, here]] = soft[row, here]
        return signal

    def embed(self, ids: Tensor) -> Tensor:
        return torch.sin(ids[..., None] * torch.arange(1, H + 1))

    def soft_embedding(self, logits: Tensor) -> Tensor:
        return logits.softmax(-1) @ self.embed(torch.arange(V))


def vague(seed: int = 0, loudness: float = 1.0) -> Beliefs:
    """Something else at every look, nowhere sure, never NOISE."""

    def beliefs(look: int, canvas: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(100 * seed + look)
        said = torch.randn(*canvas.shape, V, generator=generator) * loudness
        said[..., NOISE] = -torch.inf
        return said

    return beliefs


def canvas_of(*lengths: tuple[int, ...], width: int = 14) -> Canvas:
    """One row per tuple of hole lengths. Pinned are the ids below 4 and, second, 4 + the row."""
    layouts = [
        lay_out(
            [1, 4 + row],
            [[2]] * (len(holes) - 1),
            [3] * 9,
            holes,
            width,
            eos=1,
            pad=0,
            end_of_text=True,
        )
        for row, holes in enumerate(lengths)
    ]
    noise = torch.tensor(NOISE)
    canvas = Canvas.of([layout for layout in layouts if layout is not None], CPU)
    assert len(canvas.ids) == len(lengths)
    return canvas.write(noise.expand(canvas.places.shape))


SETTINGS = Denoising(
    steps=6,
    t_max=0.8,
    t_min=0.4,
    entropy_bound=0.1,
    confidence_threshold=0.005,
    stability_threshold=1,
    greedy=False,
    quota=False,
    self_conditioning=True,
)
FREE = torch.zeros(V, dtype=torch.bool)


def run(
    model: Any,
    canvas: Canvas,
    settings: Denoising = SETTINGS,
    *,
    seed: int = 0,
    banned: Tensor = FREE,
    cache: KVCache = EMPTY,
    vocabulary: int = V,
    pool: Tensor | None = None,
    on_step: Callable[[Step], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[Step, Spy]:
    spy = model if isinstance(model, Spy) else Spy(model)
    pool = torch.tensor([NOISE]) if pool is None else pool
    draws = Seeded(vocabulary, CPU, torch.Generator().manual_seed(seed), pool)
    steps = denoise(cache, canvas, settings, draws, banned, on_step, cancelled)
    return drivers.run(steps, Eager(spy)), spy  # type: ignore[arg-type]


def rows_of(shown: Tensor) -> Tensor:
    """Which rows of the batch those are that are still in it."""
    return shown[:, 1] - 4


def pins_of(canvas: Canvas) -> Tensor:
    return torch.ones_like(canvas.ids, dtype=torch.bool).scatter(1, canvas.places, False)


HOLES: list[tuple[tuple[int, ...], ...]] = [
    ((3,),),
    ((1,), (5,), (8,)),
    ((2, 3), (1, 1), (4, 4)),
    ((12,), (1,)),
]


@pytest.mark.parametrize("holes", HOLES, ids=str)
@pytest.mark.parametrize("greedy", [True, False])
def test_pinned_tokens_are_exact_at_every_step(
    holes: tuple[tuple[int, ...], ...], greedy: bool
) -> None:
    canvas = canvas_of(*holes)
    _, spy = run(Fake(vague()), canvas, replace(SETTINGS, greedy=greedy))
    assert len(spy.canvases) == SETTINGS.steps
    check_pins(spy, canvas)


def check_pins(spy: Spy, canvas: Canvas) -> None:
    """In what the model is shown, and in what it is told that it believed."""
    pins = pins_of(canvas)
    assert spy.signals[0] is None
    for shown, signal in zip(spy.canvases, spy.signals, strict=True):
        assert torch.equal(shown[pins], canvas.ids[pins])
        if signal is not None:
            assert torch.equal(signal[pins], spy.embed(canvas.ids)[pins])


def test_pinned_tokens_are_exact_with_a_real_model(tiny: Any) -> None:
    model: DiffusionGemma = tiny.model
    cache = model.encode(torch.arange(20, 40))
    canvas = canvas_of((3,), (5, 2), (1, 1), width=20)
    size = model.config.vocab_size
    everything = torch.arange(size)
    free = torch.zeros(size, dtype=torch.bool)
    for greedy in (True, False):
        settings = replace(SETTINGS, greedy=greedy, quota=True)
        _, spy = run(model, canvas, settings, banned=free, cache=cache, pool=everything)
        assert len(spy.canvases) == settings.steps
        check_pins(spy, canvas)


def test_open_positions_are_told_what_was_believed_of_them() -> None:
    canvas = canvas_of((3,), (1, 4))
    settings = replace(SETTINGS, t_max=1.0, t_min=1.0)
    _, spy = run(Fake(vague()), canvas, settings)
    for logits, signal in zip(spy.logits, spy.signals[1:], strict=False):
        assert signal is not None
        told = signal.gather(1, canvas.places[..., None].expand(-1, -1, H))
        torch.testing.assert_close(told[canvas.real], spy.soft_embedding(logits)[canvas.real])


def test_the_end_of_a_shorter_row_is_told_its_own() -> None:
    """Rows of fewer holes have spare places, which repeat the last: what is banned from that one
    says what is believed of it."""
    canvas = canvas_of((2,), (9,))
    banned = torch.zeros(*canvas.places.shape, V, dtype=torch.bool)
    banned[0, 1] = torch.arange(V) != 9
    _, spy = run(Fake(vague()), canvas, banned=banned)
    for signal in spy.signals[1:]:
        assert signal is not None
        torch.testing.assert_close(signal[0, canvas.places[0, 1]], spy.embed(torch.tensor(9)))


def test_without_self_conditioning_nothing_is_told() -> None:
    _, spy = run(Fake(vague()), canvas_of((3,)), replace(SETTINGS, self_conditioning=False))
    assert spy.signals == [None] * SETTINGS.steps


@pytest.mark.parametrize("holes", HOLES, ids=str)
@pytest.mark.parametrize("quota", [True, False])
def test_what_is_predicted_at_pins_changes_nothing(
    holes: tuple[tuple[int, ...], ...], quota: bool
) -> None:
    canvas = canvas_of(*holes)
    pins = pins_of(canvas)
    settings = replace(SETTINGS, quota=quota, confidence_threshold=0.3, entropy_bound=2.0)
    calm = vague(loudness=4.0)

    def loud_at_pins(sign: float) -> Beliefs:
        def beliefs(look: int, shown: Tensor) -> Tensor:
            here = pins[rows_of(shown)]
            return torch.where(here[..., None], sign * 40 * torch.eye(V)[7], calm(look, shown))

        return beliefs

    plain, seen = run(Fake(calm), canvas, settings)
    for sign in (1.0, -1.0, 0.0):
        other, also_seen = run(Fake(loud_at_pins(sign)), canvas, settings)
        assert other.number == plain.number
        assert torch.equal(other.tokens, plain.tokens)
        assert torch.equal(other.probability, plain.probability)
        for one, two in zip(seen.canvases, also_seen.canvases, strict=True):
            assert torch.equal(one, two)


@pytest.mark.parametrize("greedy", [True, False])
@pytest.mark.parametrize("quota", [True, False])
def test_banned_tokens_are_never_written(greedy: bool, quota: bool) -> None:
    canvas = canvas_of((3,), (6,))
    everywhere = torch.zeros(V, dtype=torch.bool)
    everywhere[:15] = True
    by_place = torch.zeros(*canvas.places.shape, V, dtype=torch.bool)
    by_place[0, 0] = torch.arange(V) != 9  # only one token may stand there
    by_place[1, 5] = torch.arange(V) % 2 == 0
    settings = replace(SETTINGS, greedy=greedy, quota=quota, entropy_bound=3.0)
    for seed in range(5):
        for banned in (everywhere, by_place):
            steps: list[Step] = []
            last, spy = run(
                Fake(vague(seed, loudness=3.0)), canvas, settings, banned=banned, seed=seed,
                on_step=steps.append,
            )  # fmt: skip
            forbidden = banned.expand(*canvas.places.shape, V)
            written = [shown.gather(1, canvas.places) for shown in spy.canvases]
            for tokens in [*written, *(step.tokens for step in steps), last.tokens]:
                bad = forbidden.gather(-1, tokens[..., None]).squeeze(-1)
                assert not (bad & canvas.real & (tokens != NOISE)).any()
            if banned is by_place:
                assert last.tokens[0, 0] == 9
                assert last.probability[0, 0] == 1.0


def test_same_seed_same_answer(tiny: Any) -> None:
    size = tiny.model.config.vocab_size
    canvas = canvas_of((5,), (2, 3))
    cache = tiny.model.encode(torch.arange(20, 40))
    free = torch.zeros(size, dtype=torch.bool)

    def answer(seed: int) -> tuple[list[int], list[int]]:
        last, spy = run(
            tiny.model, canvas, SETTINGS, seed=seed, banned=free, cache=cache,
            pool=torch.arange(size),
        )  # fmt: skip
        return last.tokens[canvas.real].tolist(), torch.cat(spy.canvases).flatten().tolist()

    assert answer(4) == answer(4)
    assert len({tuple(answer(seed)[0]) for seed in range(4)}) > 1


def test_a_row_does_not_lean_on_those_beside_it(tiny: Any) -> None:
    """What a row is believed to hold does not depend on the rows beside it."""
    cache = tiny.model.encode(torch.arange(20, 40))
    free = torch.zeros(tiny.model.config.vocab_size, dtype=torch.bool)
    settings = replace(SETTINGS, greedy=True, quota=True)

    def answer(canvas: Canvas) -> Step:
        mask = torch.tensor([4])
        return run(tiny.model, canvas, settings, banned=free, cache=cache, pool=mask)[0]

    canvas = canvas_of((5,), (2, 3))
    both = answer(canvas)
    for row in range(2):
        alone = answer(canvas.rows(torch.tensor([row])))
        assert both.tokens[row].tolist() == alone.tokens[0].tolist()
