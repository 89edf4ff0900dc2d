"""`settings.toml`, typed."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

PATH = Path(__file__).with_name("settings.toml")


@dataclass(frozen=True, slots=True)
class Shape:
    """The chunks of a step, of `chunk_tokens`, and the canvases of each, `canvas_tokens` wide."""

    weight: float
    chunk_tokens: int
    canvases: int
    canvas_tokens: int
    slot_tokens: tuple[int, ...]
    spans: dict[str, float]


@dataclass(frozen=True, slots=True)
class Data:
    groups: int
    chunks: int
    head_tokens: int
    file_start: float
    healed: float
    shapes: tuple[Shape, ...]
    languages: dict[str, float]

    def __post_init__(self) -> None:
        for shape in self.shapes:
            if shape.canvases % self.groups or shape.chunk_tokens % self.groups:
                raise ValueError(
                    f"{shape.canvases} canvases and {shape.chunk_tokens} tokens do not part into "
                    f"{self.groups} groups"
                )


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


@dataclass(frozen=True, slots=True)
class Causal:
    share: float
    weight: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """Counted in positions: tokens of chunks and of canvases, over all processes."""

    positions: int
    warmup: int
    decay_share: float
    final: float

    def rate(self, done: int) -> float:
        """The learning rate after `done` positions, as a share of the peak."""
        falling = (self.positions - done) / max(1.0, self.decay_share * self.positions)
        return min(1.0, done / self.warmup + 0.01) * max(self.final, min(1.0, falling))


@dataclass(frozen=True, slots=True)
class Adam:
    rate: float
    betas: tuple[float, float]
    weight_decay: float
    clip: float
    average: float


@dataclass(frozen=True, slots=True)
class Adapters:
    """`rank`, and what their products are multiplied by: `scale` / rank."""

    rank: int
    scale: float


@dataclass(frozen=True, slots=True)
class Settings:
    seed: int
    adapters: Adapters
    data: Data
    noise: Noise
    causal: Causal
    schedule: Schedule
    optimiser: Adam

    @classmethod
    def read(cls, path: Path = PATH) -> Settings:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        data = dict(document["data"])
        shapes = tuple(
            Shape(**{**shape, "slot_tokens": tuple(shape["slot_tokens"])})
            for shape in data.pop("shapes")
        )
        optimiser = dict(document["optimiser"])
        return cls(
            seed=document["seed"],
            adapters=Adapters(**document["adapters"]),
            data=Data(**data, shapes=shapes),
            noise=Noise(**document["noise"]),
            causal=Causal(**document["causal"]),
            schedule=Schedule(**document["schedule"]),
            optimiser=Adam(**{**optimiser, "betas": tuple(optimiser["betas"])}),
        )
