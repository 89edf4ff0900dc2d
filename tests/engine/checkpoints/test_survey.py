"""Which model of the catalog suits which machine."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from engine.checkpoints import catalog, plan
from engine.checkpoints.survey import best, outlook, released

GB = 1_000_000_000
DENSE_7B = ("dreamon-7b", "dream-coder-7b", "dream-coder-7b-base", "diffucoder-7b")
SMALL = ("open-dcoder-0.5b", "tiny-a2d-0.5b")


@dataclass(frozen=True, slots=True)
class Machine:
    """With `free` GB, on which `best` is the best choice, and `suits` all that suit; `narrow` are
    those whose matrices are FP8 there."""

    name: str
    device: str
    free: int
    best: str
    suits: tuple[str, ...]
    narrow: tuple[str, ...] = ()


MACHINES = [
    Machine("an old laptop", "cpu", 1, "embedded", ()),
    Machine("a laptop", "cpu", 4, "embedded", SMALL),
    Machine("a workstation", "cpu", 64, "embedded", SMALL),
    Machine("a card of 4 GB", "cuda", 4, "open-dcoder-0.5b", SMALL),
    Machine("a card of 8 GB", "cuda", 8, "open-dcoder-0.5b", SMALL),
    Machine("a card of 12 GB", "cuda", 12, "dreamon-7b", SMALL + DENSE_7B, DENSE_7B),
    Machine("a card of 16 GB", "cuda", 16, "dreamon-7b", SMALL + DENSE_7B, DENSE_7B),
    Machine(
        "a card of 24 GB",
        "cuda",
        24,
        "diffusiongemma-nvfp4",
        (*SMALL, *DENSE_7B, "diffusiongemma-nvfp4"),
    ),
    Machine(
        "a card of 48 GB",
        "cuda",
        48,
        "diffusiongemma-fp8",
        (*SMALL, *DENSE_7B, "diffusiongemma-nvfp4", "diffusiongemma-fp8"),
    ),
    Machine(
        "a card of 80 GB",
        "cuda",
        80,
        "diffusiongemma-bf16",
        tuple(entry.name for entry in catalog.CATALOG),
    ),
]


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_what_suits_a_machine(machine: Machine) -> None:
    device = torch.device(machine.device)
    looks = [outlook(entry, device, machine.free * GB) for entry in catalog.CATALOG]
    assert tuple(look.entry.name for look in looks if look.suits) == machine.suits
    assert best(looks, device) == machine.best
    narrow = tuple(look.entry.name for look in looks if look.plan and look.plan.narrow)
    assert narrow == machine.narrow
    for look in looks:
        if look.plan is not None:
            assert look.plan.needs.total <= machine.free * GB
        else:
            assert look.needs > machine.free * GB


def test_the_catalog_is_a_ladder() -> None:
    """From the smallest to the largest, each with a name, a repository and a licence of its own."""
    sizes = [entry.download for entry in catalog.CATALOG]
    assert sizes == sorted(sizes)
    assert len({entry.name for entry in catalog.CATALOG}) == len(sizes)
    assert all(entry.licence and entry.good_for for entry in catalog.CATALOG)


def test_a_prompt_that_is_read_with_every_canvas_is_planned_by_its_own_length() -> None:
    """Not by all that is kept of all windows' prompts."""
    _, profile = released(catalog.find("dreamon-7b"))
    use = plan.use_of(profile, 16384)
    assert use.context == 16384
    assert use.step.context == profile.canvas.prompt_tokens
