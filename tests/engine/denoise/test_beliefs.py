"""Steps that are decided by beliefs, as a kernel reads them off the head without the logits: they
are those that the logits decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.denoise.canvas import Canvas, lay_out
from engine.denoise.drivers import Eager, run
from engine.denoise.loop import Denoising, Step, denoise
from engine.models.family import Look
from kernels.vocabulary import Beliefs
from tests.engine.denoise.toy import DELETE, EXPAND, MASK, Given, Nothing, Toy, V

CPU = torch.device("cpu")
SETTINGS = Denoising(
    steps=6,
    t_max=1.0,
    t_min=1.0,
    entropy_bound=0.0,
    confidence_threshold=0.0,
    stability_threshold=0,
    greedy=True,
    quota=False,
    self_conditioning=False,
    order="entropy",
    mask=MASK,
)


class Believing(Toy):
    """Counts what it was asked."""

    believed = looked = 0

    def look(self, looks: Sequence[Look[Nothing]]) -> list[Tensor]:
        self.looked += 1
        return super().look(looks)

    def believe(self, looks: Sequence[Look[Nothing]], banned: Sequence[Tensor]) -> list[Beliefs]:
        self.believed += 1
        found = []
        for logits, barred in zip(super().look(looks), banned, strict=True):
            rows = logits.masked_fill(barred, -torch.inf).flatten(0, 1)
            p = rows.softmax(dim=-1)
            likeliest = p.max(dim=-1)
            entropy = -(p * p.clamp_min(1e-30).log()).sum(dim=-1)
            found.append(
                Beliefs(likeliest.indices, likeliest.values, likeliest.indices, entropy, None)
            )
        return found


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    changes: dict[str, Any] = field(default_factory=dict)
    holes: tuple[tuple[int, ...], ...] = ((7,),)
    apart: bool = False  # whether every place has banned tokens of its own
    padded: bool = True


CASES = [
    Case("by entropy"),
    Case("by confidence", {"order": "confidence"}),
    Case("p2", {"order": "p2"}),
    Case("several a step", {"tokens_per_step": 3}),
    Case("positions are drawn", {"position_temperature": 0.5}),
    Case("deletes", {"slack": DELETE}),
    Case("deletes that shorten", {"slack": DELETE, "steps": 12}, padded=False),
    Case("two holes, three canvases", holes=((2, 5), (4, 4), (6, 1))),
    Case("tokens banned place by place", holes=((3,), (6,)), apart=True),
]


def resolved(model: Toy, case: Case, settings: Denoising) -> Step:
    layouts = [
        lay_out(
            [10, 11, 12], [[17]] * (len(holes) - 1), [14, 15], holes, 40, eos=None, pad=0,
            end_of_text=False, padded=case.padded,
        )
        for holes in case.holes
    ]  # fmt: skip
    canvas = Canvas.of([layout for layout in layouts if layout is not None], CPU)
    canvas = canvas.write(torch.full(canvas.places.shape, MASK))
    banned = torch.zeros(V, dtype=torch.bool)
    banned[20:] = True
    if case.apart:
        banned = banned.expand(*canvas.places.shape, -1).clone()
        banned[:, 0, 5:15] = True
    steps = denoise(Nothing(), canvas, settings, Given(3), banned)
    return run(steps, Eager(model))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_beliefs_decide_as_logits_do(case: Case, seed: int) -> None:
    settings = replace(SETTINGS, **case.changes)
    plain = resolved(Toy(seed), case, settings)
    model = Believing(seed)
    found = resolved(model, case, settings)
    assert (found.number, found.holes) == (plain.number, plain.holes)
    assert torch.equal(found.tokens, plain.tokens)
    torch.testing.assert_close(found.probability, plain.probability)
    assert model.believed == found.number
    assert not model.looked


NEEDS_LOGITS = [
    {"order": "margin"},
    {"greedy": False},
    {"top_p": 0.9},
    {"expand": EXPAND, "tokens_per_step": 1, "hole_tokens": 9, "expansions": 3},
    {"order": "left", "slack": DELETE},
    {"order": "surest"},
]


@pytest.mark.parametrize("changes", NEEDS_LOGITS, ids=str)
def test_what_needs_logits_gets_them(changes: dict[str, Any]) -> None:
    model = Believing(0)
    resolved(model, CASES[0], replace(SETTINGS, **changes))
    assert model.looked
    assert not model.believed
