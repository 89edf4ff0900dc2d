"""The generation loop against that of `transformers`, step for step.

Both take their randomness from the same draws: torch.multinomial is an exponential race over
probabilities, so handing both the same exponentials makes both draw the same tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.models.diffusion_gemma.generation_diffusion_gemma import (
    DiffusionGemmaGenerationConfig,
    EntropyBoundSampler,
    EntropyBoundSamplerConfig,
)

from engine.denoise.sampler import Seeded
from engine.models.diffusion_gemma import DiffusionGemma
from tests.engine.denoise.generating import Settings, Step, denoise_canvas, generate

NEVER = (10_000,)  # an end token outside the vocabulary


@dataclass(frozen=True, slots=True)
class Case:
    """Generate with `settings`; `shows` says what the steps must have shown, or it tests nothing.

    More than one row: that many canvases after one prompt, for one canvas length.
    """

    name: str
    settings: dict[str, Any]
    shows: Callable[[list[Step]], bool]
    prompt: int = 20
    rows: int = 1
    seed: int = 0


def canvases(steps: list[Step]) -> int:
    return sum(step.number == 1 for step in steps)


def ends(steps: list[Step]) -> set[int]:
    """The steps at which rows finished."""
    rows = torch.stack([step.finished for step in steps])
    return {int(column.int().argmax()) for column in rows.T if column.any()}


CALM = {"entropy_bound": 0.5, "confidence_threshold": 0.05, "max_denoising_steps": 24}
CASES = [
    Case(
        "stable and confident before the steps are out",
        {**CALM, "max_new_tokens": 12},
        lambda steps: 2 < len(steps) < 24 and bool(steps[-1].finished.all()),
    ),
    Case(
        "out of steps",
        {**CALM, "max_denoising_steps": 5, "confidence_threshold": 1e-9, "max_new_tokens": 12},
        lambda steps: len(steps) == 5 and not steps[-1].finished.any(),
    ),
    Case(
        "the released settings",
        {"max_new_tokens": 12},
        lambda steps: 10 < len(steps) < 48,
    ),
    Case("three canvases", {**CALM, "max_new_tokens": 36}, lambda steps: canvases(steps) == 3),
    Case("a part of a canvas", {**CALM, "max_new_tokens": 13}, lambda steps: canvases(steps) == 2),
    Case("a short prompt", {**CALM, "max_new_tokens": 24}, lambda steps: True, prompt=1),
    Case("a long prompt", {**CALM, "max_new_tokens": 24}, lambda steps: True, prompt=70, seed=3),
    Case(
        "one position accepted at a time",
        {**CALM, "entropy_bound": 1e-6, "max_new_tokens": 12},
        lambda steps: int(steps[0].accepted.sum()) == 1,
    ),
    Case(
        "all accepted from the first step",
        {**CALM, "entropy_bound": 100.0, "max_new_tokens": 12},
        lambda steps: all(bool(step.accepted.all()) for step in steps),
    ),
    Case(
        "no stability asked for",
        {**CALM, "stability_threshold": 0, "confidence_threshold": 100.0, "max_new_tokens": 12},
        lambda steps: len(steps) == 1,
    ),
    Case(
        "stable for three steps",
        {**CALM, "stability_threshold": 3, "confidence_threshold": 2.0, "max_new_tokens": 12},
        lambda steps: 3 < len(steps) < 24,
    ),
    Case(
        "three rows that finish one by one",
        {**CALM, "max_new_tokens": 12},
        lambda steps: len(ends(steps)) > 1,
        rows=3,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_step_equals_transformers(
    case: Case, oracle: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(**{"eos_token_id": NEVER, **case.settings})
    check(case, settings, oracle("settling"), monkeypatch)


def check(case: Case, settings: Settings, oracle: Any, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """Both generate; every step and the text must be the same. Returns the text [N]."""
    model = oracle.ours()
    prompt = torch.randint(97, (case.prompt,), generator=torch.Generator().manual_seed(case.seed))
    rows = prompt.expand(case.rows, -1)
    theirs = run_reference(oracle.reference, rows, settings, seeded(model, case), monkeypatch)

    steps: list[Step] = []
    if case.rows == 1:
        ids = generate(model, prompt, settings, draws=seeded(model, case), on_step=steps.append)
        ids = ids[None]
    else:
        draws = seeded(model, case)
        canvas = draws.ids(case.rows, model.config.canvas_length)
        ids = denoise_canvas(model, model.encode(prompt), canvas, settings, draws, steps.append)

    assert len(steps) == len(theirs.steps)
    for ours, (accepted, current, argmax, beliefs, finished) in zip(
        steps, theirs.steps, strict=True
    ):
        where = f"step {ours.number}"
        assert torch.equal(ours.accepted, accepted), where
        assert torch.equal(ours.canvas, current), where
        assert torch.equal(ours.argmax, argmax), where
        assert torch.equal(ours.finished, finished), where
        torch.testing.assert_close(ours.beliefs, beliefs, rtol=0, atol=1e-3, msg=where)
    assert torch.equal(ids, theirs.text)
    assert case.shows(steps)
    return ids[0]


def seeded(model: DiffusionGemma, case: Case) -> Seeded:
    generator = torch.Generator().manual_seed(case.seed)
    return Seeded(model.config.vocab_size, model.device, generator)


@dataclass(slots=True)
class Reference:
    """What `transformers` did: the steps, each (accepted, canvas, argmax, beliefs, finished), and
    the text [B, N] after the prompt."""

    steps: list[tuple[Tensor, ...]] = field(default_factory=list)
    text: Tensor = field(default_factory=lambda: torch.empty(0))


def run_reference(
    reference: Any,
    prompt: Tensor,
    settings: Settings,
    draws: Seeded,
    monkeypatch: pytest.MonkeyPatch,
) -> Reference:
    """`transformers`' generate, its randomness replaced by `draws`, its steps written down."""
    seen = Reference()
    denoising_step = type(reference)._denoising_step

    def recorded_step(self: Any, *, sampler: Any, **kwargs: Any) -> Any:
        result = denoising_step(self, sampler=sampler, **kwargs)
        current, argmax, beliefs, finished = (tensor.clone() for tensor in result)
        mask = sampler.accepted_token_mask
        seen.steps.append((mask, current, argmax, beliefs, finished))
        return result

    def race(probabilities: Tensor, num_samples: int) -> Tensor:
        assert num_samples == 1
        return (probabilities / draws.race(*probabilities.shape)).argmax(dim=-1, keepdim=True)

    with monkeypatch.context() as patch:
        patch.setattr(type(reference), "_denoising_step", recorded_step)
        patch.setattr(torch, "multinomial", race)
        patch.setattr(
            EntropyBoundSampler,
            "initialize_canvas",
            lambda self, batch_size, device: draws.ids(batch_size, self.canvas_length),
        )
        generated = reference.generate(prompt, generation_config=their_settings(settings))
    seen.text = generated.sequences[:, prompt.shape[1] :]
    return seen


def their_settings(settings: Settings) -> DiffusionGemmaGenerationConfig:
    return DiffusionGemmaGenerationConfig(
        max_new_tokens=settings.max_new_tokens,
        max_denoising_steps=settings.max_denoising_steps,
        sampler_config=EntropyBoundSamplerConfig(entropy_bound=settings.entropy_bound),
        t_min=settings.t_min,
        t_max=settings.t_max,
        stability_threshold=settings.stability_threshold,
        confidence_threshold=settings.confidence_threshold,
        eos_token_id=list(settings.eos_token_id),
        pad_token_id=settings.pad_token_id,
    )


@pytest.mark.parametrize("canvas", [0, 1, 2])
@pytest.mark.parametrize("also", [(), NEVER])
def test_ends_at_an_end_token(
    canvas: int,
    also: tuple[int, ...],
    oracle: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A token that first comes up in one of three canvases is made the end token."""
    settings = {**CALM, "max_new_tokens": 36, "pad_token_id": 96}
    case = Case("", settings, lambda steps: canvases(steps) == canvas + 1)
    free = check(
        Case("", settings, lambda steps: True),
        Settings(**settings, eos_token_id=NEVER),
        oracle("settling"),
        monkeypatch,
    )
    end = next(i for i in range(12 * canvas + 3, 36) if free[i] not in free[:i])
    ending = Settings(**settings, eos_token_id=(int(free[end]), *also))
    text = check(case, ending, oracle("settling"), monkeypatch)
    assert text.tolist() == [*free[: end + 1].tolist(), *[96] * (12 * canvas + 11 - end)]


def test_the_same_seed_gives_the_text_of_transformers(oracle: Callable[[str], Any]) -> None:
    """Nothing injected: both draw from torch's global generator, in the same order."""
    settings = Settings(**CALM, max_new_tokens=36, eos_token_id=NEVER)
    prompt = torch.arange(20)
    torch.manual_seed(5)
    theirs = oracle("settling").reference.generate(
        prompt[None], generation_config=their_settings(settings)
    )
    torch.manual_seed(5)
    assert torch.equal(
        generate(oracle("settling").ours(), prompt, settings), theirs.sequences[0, 20:]
    )


def test_defaults_are_those_of_transformers() -> None:
    ours = their_settings(Settings())
    for key, value in DiffusionGemmaGenerationConfig._get_default_generation_params().items():
        assert getattr(ours, key) == value, key


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_new_tokens": 0},
        {"max_denoising_steps": 0},
        {"t_min": 0.8},
        {"t_min": -0.1},
        {"entropy_bound": 0.0},
        {"confidence_threshold": 0.0},
    ],
    ids=str,
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Settings(**wrong)


def test_beliefs_are_rounded_to_the_dtype_of_the_model(oracle: Callable[[str], Any]) -> None:
    """As the reference hands them to the next step."""
    steps: list[Step] = []
    settings = Settings(max_new_tokens=1, max_denoising_steps=3)
    model = oracle("settling").ours(torch.bfloat16)
    generate(model, torch.arange(20), settings, on_step=steps.append)
    assert [step.beliefs.dtype for step in steps] == [torch.bfloat16] * 3
