"""The low-rank weights of a model, their optimiser, and the state that a run goes on from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.checkpoints.low_rank import adapt
from engine.models.family import Model
from engine.tuning.lessons import Lesson
from engine.tuning.loss import loss_of

STATE = "state.safetensors"
FIRST, SECOND = "first.", "second."  # moments, before the names of what they are of


@dataclass(frozen=True, slots=True)
class Settings:
    """rank: of the difference to each matrix. rate: the peak, after `warmup` of the time; it falls
    to a `final` share of it, as half a cosine. causal_weight: of the loss of the causal pass beside
    that of the holes. clip: the largest norm of a step's gradient."""

    rank: int = 8
    rate: float = 1e-3
    warmup: float = 0.05
    final: float = 0.05
    causal_weight: float = 0.3
    clip: float = 1.0
    betas: tuple[float, float] = (0.9, 0.98)
    lessons: int = 2  # of a step
    self_conditioning: float = 0.5  # of the steps, where the profile says that the model listens
    seed: int = 0

    def rate_at(self, share: float) -> float:
        """The rate when `share` of the time, 0..1, has gone."""
        if share < self.warmup:
            return self.rate * (share / self.warmup)
        rest = (min(share, 1.0) - self.warmup) / (1 - self.warmup)
        return self.rate * (self.final + (1 - self.final) * (1 + math.cos(math.pi * rest)) / 2)


@dataclass(slots=True)
class Progress:
    """Steps and lessons so far, seconds spent on them, and the loss of holes, averaged over the
    last hundred steps or so."""

    steps: int = 0
    lessons: int = 0
    seconds: float = 0.0
    loss: float | None = None


class Learner:
    """Adapts `model`, whose own weights stay what they are; AdamW without decay."""

    def __init__(self, model: Model[Any], settings: Settings) -> None:
        torch.manual_seed(settings.seed)
        self.model, self.settings = model.eval().requires_grad_(False), settings
        self.learned = adapt(model, settings.rank)
        if not self.learned:
            raise ValueError("the model has no projections that could learn a difference")
        self.progress = Progress()
        self._optimiser = torch.optim.AdamW(
            self.learned.values(), settings.rate, settings.betas, weight_decay=0.0
        )

    def step(self, lessons: list[Lesson], share: float, *, self_conditioning: bool) -> None:
        """Learn from `lessons`, when `share` of the time has gone."""
        losses = []
        for lesson in lessons:
            loss = loss_of(self.model, lesson, self_conditioning=self_conditioning)
            total = loss.total(self.settings.causal_weight)
            if total is not None and total.requires_grad and bool(total.isfinite()):
                (total / len(lessons)).backward()
            if loss.hole is not None:
                losses.append(float(loss.hole.detach()))
        torch.nn.utils.clip_grad_norm_(self.learned.values(), self.settings.clip)
        for group in self._optimiser.param_groups:
            group["lr"] = self.settings.rate_at(share)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        done = self.progress
        done.steps += 1
        done.lessons += len(lessons)
        if losses:
            now = sum(losses) / len(losses)
            weight = max(0.01, 1 / done.steps)
            done.loss = now if done.loss is None else done.loss + weight * (now - done.loss)

    @torch.no_grad()
    def loss(self, lessons: list[Lesson]) -> float:
        """The mean loss of holes over `lessons`, nothing learned."""
        found = [loss_of(self.model, lesson).hole for lesson in lessons]
        losses = [float(each) for each in found if each is not None]
        return sum(losses) / len(losses) if losses else math.nan

    def adapter(self) -> dict[str, Tensor]:
        """What was learned, as an adapter's file holds it: half as large as what learns."""
        return {name: each.detach().bfloat16().cpu() for name, each in self.learned.items()}

    def save(self, folder: Path, identity: Mapping[str, Any]) -> None:
        """Write the state into `folder`, at once or not at all; `identity` is what it depends on.
        Raises OSError."""
        tensors = {name: each.detach() for name, each in self.learned.items()}
        for name, parameter in self.learned.items():
            state = self._optimiser.state.get(parameter)
            if state:
                tensors[FIRST + name] = state["exp_avg"]
                tensors[SECOND + name] = state["exp_avg_sq"]
        told = {"identity": json.dumps(identity), "progress": json.dumps(asdict(self.progress))}
        partial = folder / f"{STATE}.partial"
        try:
            save_file({name: each.contiguous() for name, each in tensors.items()}, partial, told)
        except SafetensorError as error:
            raise OSError(f"{partial} cannot be written: {error}") from error
        partial.replace(folder / STATE)

    def resume(self, folder: Path, identity: Mapping[str, Any]) -> bool:
        """Go on from the state in `folder`; False where there is none of this identity."""
        path = folder / STATE
        try:
            with safe_open(path, framework="pt") as file:
                told = file.metadata() or {}
            if json.loads(told["identity"]) != json.loads(json.dumps(identity)):
                return False
            progress = Progress(**json.loads(told["progress"]))
            tensors = load_file(path, device=str(self.model.device))
        except (OSError, SafetensorError, KeyError, ValueError, TypeError):
            return False
        if any(name not in tensors for name in self.learned):
            return False
        with torch.no_grad():
            for name, parameter in self.learned.items():
                parameter.copy_(tensors[name])
                if FIRST + name in tensors:
                    self._optimiser.state[parameter] = {
                        "step": torch.tensor(float(progress.steps)),
                        "exp_avg": tensors[FIRST + name],
                        "exp_avg_sq": tensors[SECOND + name],
                    }
        self.progress = progress
        return True


__all__ = ["STATE", "Learner", "Progress", "Settings"]
