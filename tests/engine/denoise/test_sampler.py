"""The sampler's pieces: against `transformers` where it has them, and on cases done by hand."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from transformers.models.diffusion_gemma.generation_diffusion_gemma import (
    EntropyBoundSampler,
    EntropyBoundSamplerConfig,
    LinearTemperatureScheduleLogitsProcessor,
    StableAndConfidentStoppingCriteria,
)

from engine.denoise.sampler import (
    Seeded,
    Stopping,
    accept_by_entropy,
    entropy,
    renoise,
    sample,
    temperature,
)


@pytest.mark.parametrize("steps", [1, 2, 7, 48])
@pytest.mark.parametrize(("t_min", "t_max"), [(0.4, 0.8), (0.0, 1.0)])
def test_temperature(steps: int, t_min: float, t_max: float) -> None:
    theirs = LinearTemperatureScheduleLogitsProcessor(t_min, t_max, steps)
    assert temperature(1, steps, t_min, t_max) == t_max
    for step in range(1, steps + 1):
        one = theirs(torch.empty(0), torch.ones(1), cur_step=steps - step + 1)
        assert temperature(step, steps, t_min, t_max) == pytest.approx(1 / one.item(), rel=1e-6)


def random_logits(*shape: int, seed: int = 0) -> Tensor:
    """From sure rows to vague ones."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator) * torch.linspace(12, 0, shape[-2])[:, None]


def test_entropy() -> None:
    logits = random_logits(3, 17, 31)
    theirs = torch.distributions.Categorical(logits=logits).entropy()
    torch.testing.assert_close(entropy(logits), theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([0.0, 0.0], 2),
        ([5.0, 5.0, -torch.inf], 2),
        ([3.0, -torch.inf, -torch.inf], 1),
        ([1e4, 0.0], 1),
        ([0.0] * 8, 8),
    ],
)
def test_entropy_is_the_log_of_the_equal_choices(logits: list[float], expected: int) -> None:
    result = entropy(torch.tensor([[logits]]))
    assert result.item() == pytest.approx(torch.tensor(float(expected)).log().item(), abs=1e-6)


def test_entropy_and_sample_take_bfloat16_as_float32() -> None:
    logits = random_logits(1, 9, 31).bfloat16()
    draws = torch.empty(logits.shape).exponential_()
    assert torch.equal(entropy(logits), entropy(logits.float()))
    assert torch.equal(sample(logits, draws), sample(logits.float(), draws))


def test_sample_draws_what_multinomial_draws() -> None:
    logits = random_logits(3, 17, 31)
    torch.manual_seed(4)
    theirs = torch.multinomial(logits.softmax(dim=-1).view(-1, 31), num_samples=1).view(3, 17)
    torch.manual_seed(4)
    ours = sample(logits, Seeded(31, torch.device("cpu")).race(3, 17, 31))
    assert torch.equal(ours, theirs)


def test_sample_follows_the_probabilities() -> None:
    probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05, 0.0])
    draws = torch.empty(20_000, 5).exponential_(generator=torch.Generator().manual_seed(0))
    ids = sample(probabilities.log().expand(20_000, 5), draws)
    # four standard deviations of the roughest share
    share = torch.bincount(ids, minlength=5) / 20_000
    torch.testing.assert_close(share, probabilities, rtol=0, atol=4 * 0.5 / 20_000**0.5)
    assert share[4] == 0


@dataclass(frozen=True, slots=True)
class Accept:
    """Entropies of one canvas: which positions are accepted, which are open (None: all)."""

    name: str
    entropies: list[float]
    bound: float
    accepted: str
    open: str | None = None


ACCEPT = [
    Accept("the surest, however unsure", [3.0, 2.0, 4.0], 0.1, ".x."),
    Accept("all that are sure", [0.0, 0.0, 5.0], 0.1, "xxx"),
    Accept("the sum without the largest stays within", [0.06, 0.05, 0.04, 9.0], 0.1, "xxx."),
    Accept("the bound itself is within", [0.25, 0.25, 0.5], 0.5, "xxx"),
    Accept("a bound just under it", [0.25, 0.25, 0.5], 0.49, "xx."),
    Accept("equal ones from the left", [1.0, 1.0, 1.0], 0.5, "x.."),
    Accept("one position", [7.0], 0.1, "x"),
    Accept("pins are never accepted", [0.0, 1.0, 2.0], 0.1, ".x.", open=".xx"),
    Accept("pins do not use up the bound", [0.09, 0.05, 0.06], 0.1, ".xx", open=".xx"),
    Accept("a sure pin is not the surest", [0.0, 5.0, 4.0], 0.1, "..x", open=".xx"),
    Accept("all pinned", [0.0, 1.0], 0.1, "..", open=".."),
    Accept("one open", [0.0, 1.0, 9.0], 0.1, "..x", open="..x"),
]


def marks(text: str) -> Tensor:
    return torch.tensor([[mark == "x" for mark in text]])


@pytest.mark.parametrize("case", ACCEPT, ids=lambda case: case.name)
def test_accept_by_entropy(case: Accept) -> None:
    open = None if case.open is None else marks(case.open)
    accepted = accept_by_entropy(torch.tensor([case.entropies]), case.bound, open)
    assert accepted.tolist() == marks(case.accepted).tolist()


@pytest.mark.parametrize("bound", [1e-6, 0.1, 1.0, 10.0, 1000.0])
@pytest.mark.parametrize("pinned", [False, True])
def test_accept_and_renoise_as_transformers_does(bound: float, pinned: bool) -> None:
    """A canvas with pins is accepted as the shorter canvas of its open positions."""
    logits, before = random_logits(3, 24, 31), torch.full((3, 24), 7)
    sampled, noise = torch.full((3, 24), 8), torch.full((3, 24), 9)
    keep = torch.arange(24) % 3 != 1 if pinned else torch.ones(24, dtype=torch.bool)
    config = EntropyBoundSamplerConfig(entropy_bound=bound)
    theirs = EntropyBoundSampler(config, int(keep.sum()), 31, 48)
    theirs.initialize_canvas = lambda batch_size, device: noise[:, keep]
    shorter = theirs.accept_canvas(before[:, keep], sampled[:, keep], logits[:, keep], 1)
    expected = theirs.renoise_canvas(shorter, 1)

    accepted = accept_by_entropy(entropy(logits), bound, keep.expand(3, -1) if pinned else None)
    assert torch.equal(accepted[:, keep], theirs.accepted_token_mask)
    assert not accepted[:, ~keep].any()
    assert torch.equal(renoise(sampled, accepted, noise)[:, keep], expected)


@pytest.mark.parametrize("stability", [0, 1, 2, 3])
@pytest.mark.parametrize("pinned", [False, True])
def test_stopping_as_transformers_does(stability: int, pinned: bool) -> None:
    """Over steps whose argmax often repeats and whose entropy is around the threshold."""
    keep = torch.tensor([True, False, True, True] if pinned else [True] * 4)
    ours, theirs = Stopping(stability, 0.6), StableAndConfidentStoppingCriteria(stability, 0.6)
    generator = torch.Generator().manual_seed(stability)
    seen = []
    for _ in range(60):
        logits = torch.randn(5, 4, 3, generator=generator)
        logits[:, :, 0] += torch.rand(5, 1, generator=generator) * 6
        argmax = logits.argmax(dim=-1)
        open = keep.expand(5, -1) if pinned else None
        done = ours(argmax, entropy(logits), open)
        assert torch.equal(done, theirs(argmax[:, keep], logits[:, keep]))
        seen.append(done)
    assert torch.stack(seen).any()
    assert not torch.stack(seen).all()


def test_a_pin_that_changes_is_no_instability() -> None:
    stopping, open = Stopping(1, 1.0), marks("x.")
    calm = torch.zeros(1, 2)
    assert not stopping(torch.tensor([[1, 2]]), calm, open)
    assert stopping(torch.tensor([[1, 3]]), torch.tensor([[0.0, 9.0]]), open)
    assert not stopping(torch.tensor([[4, 3]]), calm, open)


def test_a_row_without_open_positions_stops_at_once_it_may() -> None:
    calm, ids = torch.zeros(1, 2), torch.tensor([[1, 2]])
    assert Stopping(0, 0.1)(ids, calm, marks(".."))
    stopping = Stopping(1, 0.1)
    assert not stopping(ids, calm, marks(".."))
    assert stopping(ids + 1, calm, marks(".."))


def test_stability_is_not_negative() -> None:
    with pytest.raises(ValueError, match="stability_threshold"):
        Stopping(-1, 0.1)


def test_seeded_draws() -> None:
    def draws(seed: int, pool: Tensor | None = None) -> Seeded:
        return Seeded(50, torch.device("cpu"), torch.Generator().manual_seed(seed), pool)

    assert torch.equal(draws(1).ids(3, 40), draws(1).ids(3, 40))
    assert not torch.equal(draws(1).ids(3, 40), draws(2).ids(3, 40))
    assert set(draws(1).ids(1, 2000).unique().tolist()) == set(range(50))
    assert set(draws(1, torch.tensor([4, 40])).ids(3, 40).unique().tolist()) == {4, 40}
    race = draws(1).race(4, 500)
    assert (race > 0).all()
    assert race.mean().item() == pytest.approx(1.0, abs=0.1)
