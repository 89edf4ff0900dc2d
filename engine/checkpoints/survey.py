"""`python -m engine.checkpoints.survey`: what is here, and what would run well, as one JSON object.

For processes that must not load torch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from engine.api import EngineError, OutOfMemory
from engine.checkpoints import catalog, plan
from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.derived import masked_profile, profile_of
from engine.checkpoints.files import read_json
from engine.checkpoints.load import compute_dtype
from engine.checkpoints.memory import free_bytes
from engine.checkpoints.packed import stays_packed
from engine.checkpoints.plan import Plan
from engine.checkpoints.profile import INSTRUCT, Profile
from engine.models.family import Architecture, StepSize, architecture_of

CARD = torch.device("cuda")
SHAPES = Path(__file__).parent / "shapes"
SHAPE = SHAPES / "diffusion_gemma_26b.json"
# From the most able to the least, of what fills gaps as its users want it; the rest is for those
# who ask for it by name.
MOST_ABLE_FIRST = (catalog.FAMILY, "dreamon-7b", "open-dcoder-0.5b")
# A step on a laptop's processor, at bytes and operations a second that most of them reach; nobody
# waits for ghost text that takes several such steps of more seconds than this.
LAPTOP_BANDWIDTH, LAPTOP_OPERATIONS, LONGEST_STEP = 3e10, 3e11, 1.2


@dataclass(frozen=True, slots=True)
class Outlook:
    """How a model of the catalog would run on a device: the bytes that the least use of it needs
    there, and on a card; and the most that fits, None where nothing does."""

    entry: catalog.Entry
    needs: int
    on_a_card: int
    plan: Plan | None
    too_slow: bool

    @property
    def suits(self) -> bool:
        return self.plan is not None and not self.too_slow


def survey() -> dict[str, Any]:
    """The card (None without one), the device that a model would run on and the bytes free on it
    (None where nobody can tell); for each model of the catalog, and each repository that was
    pulled, where it is, what is wrong with it, what it needs, whether and how it would run, and
    whether that suits; which of the catalog is the best, and which of the formats of a family."""
    card = _card()
    device = torch.device("cuda" if card else "cpu")
    free = free_bytes(device)
    looks = [outlook(entry, device, free) for entry in catalog.CATALOG]
    chosen = best(looks, device)
    others = [_other(entry, device) for entry in catalog.others()]
    return {
        "store": str(catalog.store()),
        "card": card,
        "device": device.type,
        "free": free,
        "best": chosen,
        "suited": _suited_format(free) if card and free is not None else None,
        "models": [
            *({**_describe(look, device), "best": look.entry.name == chosen} for look in looks),
            *others,
        ],
    }


def outlook(entry: catalog.Entry, device: torch.device, free: int | None) -> Outlook:
    """Of a model by its published shape and format, with `free` bytes on `device`."""
    config, profile = released(entry, device)
    weights, narrow = _sizes(entry, config, device)
    room = sys.maxsize if free is None else free
    needs = plan.least(config, min(weights, narrow), profile, device.type).total
    on_a_card = plan.least(config, min(_sizes(entry, config, CARD)), profile).total
    try:
        found = plan.choose_width(entry.name, weights, narrow, config, room, profile, device.type)
    except OutOfMemory:
        return Outlook(entry, needs, on_a_card, None, too_slow=False)
    step = StepSize(1, 64, max(profile.canvas.line_tokens), profile.canvas.prompt_tokens)
    too_slow = device.type == "cpu" and _seconds_on_a_laptop(config, weights, step) > LONGEST_STEP
    return Outlook(entry, needs, on_a_card, found, too_slow)


def best(looks: Sequence[Outlook], device: torch.device) -> str:
    """The name of the model to take: on a processor the one that ships, which is quick there."""
    if device.type == "cpu":
        return catalog.EMBEDDED
    suiting = [look for look in looks if look.plan is not None and look.suits]
    for comfortable in (True, False):
        for family in MOST_ABLE_FIRST:
            # Of one model's formats, the nearest to the original that leaves room to work in.
            formats = {look.entry.format: look for look in suiting if look.entry.family == family}
            for format in plan.BEST_FIRST:
                look = formats.get(format)
                if look is None or look.plan is None:
                    continue
                if look.plan.is_comfortable or not comfortable:
                    return look.entry.name
    return catalog.EMBEDDED


def released(entry: catalog.Entry, device: torch.device = CARD) -> tuple[Architecture, Profile]:
    """The configuration of a model of the catalog as it was published, and the profile that it
    would be used with on a device."""
    document = read_json(SHAPES / f"{entry.shape}.json")
    config = architecture_of(document)
    if config.masked is None:
        return config, INSTRUCT
    ids = {role: document.get(f"{role}_token_id") for role in ("bos", "eos", "pad")}
    return config, masked_profile(config.masked, ids, (), device.type)


def _suited_format(free: int) -> str | None:
    """The name of the format of DiffusionGemma that suits a card with so much memory free."""
    formats = {each.format: each for each in catalog.CATALOG if each.family == catalog.FAMILY}
    config, profile = released(formats[plan.BEST_FIRST[0]])
    sizes = {format: plan.weight_bytes(config, format) for format in formats}
    found = plan.best_format(config, free, sizes, dict.fromkeys(formats, profile))
    return None if found is None else formats[found[0]].name


def _describe(look: Outlook, device: torch.device) -> dict[str, Any]:
    described = _facts(look.entry)
    described |= {"needs": look.needs, "needs_on_a_card": look.on_a_card}
    described |= {"runs": _described(look.plan), "suits": look.suits}
    if described["here"]:
        pulled = _as_pulled(look.entry, device)
        described |= pulled | {"suits": pulled["suits"] and not look.too_slow}
    return described


def _other(entry: catalog.Entry, device: torch.device) -> dict[str, Any]:
    described = {**_facts(entry), "suits": False, "best": False}
    described |= {"needs": None, "needs_on_a_card": None, "runs": None}
    if not described["here"]:
        return described | {
            "fault": f"it has come in part: run `infill-ls pull {entry.repository}`"
        }
    described |= {"name": entry.repository, "licence": "see its README.md", "good_for": "who asked"}
    return described | _as_pulled(entry, device)


def _facts(entry: catalog.Entry) -> dict[str, Any]:
    folder = catalog.store() / entry.name
    return {
        **asdict(entry),
        "family": entry.family,
        "here": catalog.receipt(folder) is not None,
        "folder": str(folder),
        "fault": None,
    }


def _as_pulled(entry: catalog.Entry, device: torch.device) -> dict[str, Any]:
    """What the files that are here say of how the model would run."""
    folder = catalog.store() / entry.name
    try:
        checkpoint = open_checkpoint(folder)
        profile = profile_of(folder, checkpoint.config, device.type)
        found = plan.fit(entry.name, checkpoint, profile, device, compute_dtype(device))
    except EngineError as error:
        return {"fault": str(error), "runs": None, "suits": False}
    return {"runs": _described(found), "needs": found.needs.total, "suits": True}


def _described(found: Plan | None) -> dict[str, str] | None:
    return None if found is None else {"use": str(found), "needs": str(found.needs)}


def _sizes(entry: catalog.Entry, config: Architecture, device: torch.device) -> tuple[int, int]:
    """Bytes of the weights as they are loaded on `device`, and with their matrices in FP8 where
    they may be: those of a dense model that is stored in 16 bits."""
    kept = entry.format if stays_packed(device) else "bf16"
    weights = plan.weight_bytes(config, kept)
    has_experts = any(config.parts_of(name) for name in plan.shapes(config))
    if kept != "bf16" or has_experts or not stays_packed(device):
        return weights, weights
    return weights, plan.weight_bytes(config, "fp8")


def _seconds_on_a_laptop(config: Architecture, weights: int, step: StepSize) -> float:
    operations = config.attention_work(step, plan.BF16).operations + sum(
        config.weight_work(name, tuple(shape), 0.0, step).operations
        for name, shape in plan.shapes(config).items()
    )
    return max(weights / LAPTOP_BANDWIDTH, operations / LAPTOP_OPERATIONS)


def _card() -> dict[str, Any] | None:
    if not torch.cuda.is_available():
        return None
    free, total = torch.cuda.mem_get_info()
    major, minor = torch.cuda.get_device_capability()
    name = torch.cuda.get_device_name()
    return {"name": name, "free": free, "total": total, "capability": f"{major}.{minor}"}


if __name__ == "__main__":
    print(json.dumps(survey()))
