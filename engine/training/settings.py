"""`settings.toml`, typed."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.models.family import Architecture, Model, architecture_of, build
from engine.models.training import training_of, training_of_type

PATH = Path(__file__).with_name("settings.toml")


@dataclass(frozen=True, slots=True)
class Data:
    chunk_tokens: int
    chunks: int
    canvases: int
    canvas_tokens: int
    slot_tokens: tuple[int, ...]
    slack: bool
    head_tokens: int
    file_start: float
    spans: dict[str, float]
    languages: dict[str, float]


@dataclass(frozen=True, slots=True)
class Noise:
    whole: float
    left: float
    scattered: float
    least: float
    random: float
    fading: float
    faintest: float
    around: float
    around_least: float
    around_most: float
    kept_weight: float


@dataclass(frozen=True, slots=True)
class Schedule:
    steps: int
    causal_share: float
    causal_chunks: int
    self_conditioning_share: float
    self_conditioning: float
    warmup: int
    decay_share: float
    final: float
    causal_weight: float

    def rate(self, step: int) -> float:
        """The learning rate of `step`, as a share of the peak: warm up, hold, fall linearly."""
        decay_steps = self.decay_share * self.steps
        falling = min(1.0, (self.steps - step) / max(decay_steps, 1.0))
        return min(1.0, (step + 1) / self.warmup) * max(self.final, falling)


@dataclass(frozen=True, slots=True)
class Optimiser:
    matrix_rate: float
    other_rate: float
    momentum: float
    muon: bool


@dataclass(frozen=True, slots=True)
class Settings:
    seed: int
    model: dict[str, Any]
    data: Data
    noise: Noise
    schedule: Schedule
    optimiser: Optimiser

    @classmethod
    def read(cls, path: Path = PATH) -> Settings:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        data = {**document["data"], "slot_tokens": tuple(document["data"]["slot_tokens"])}
        return cls(
            seed=document["seed"],
            model=document["model"],
            data=Data(**data),
            noise=Noise(**document["noise"]),
            schedule=Schedule(**document["schedule"]),
            optimiser=Optimiser(**document["optimiser"]),
        )

    def config_json(self) -> dict[str, Any]:
        """The model's `config.json`."""
        shape = dict(self.model)
        return training_of_type(shape.pop("model_type")).document(shape)

    def architecture(self) -> Architecture:
        return architecture_of(self.config_json())

    def new_model(self) -> Model[Any]:
        """A model with its first weights."""
        model = build(self.architecture())
        training_of(model).initialise(model, self.seed)
        return model
