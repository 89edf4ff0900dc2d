"""`settings.toml`, typed."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.models.diffusion_gemma import FULL, SLIDING, Config

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
        """The model's `config.json`, as `transformers` reads it too."""
        shape = dict(self.model)
        layers = shape.pop("num_hidden_layers")
        canvas_length = shape.pop("canvas_length")
        text = {
            "model_type": "diffusion_gemma_text",
            **shape,
            "num_hidden_layers": layers,
            "layer_types": [SLIDING] * (layers - 1) + [FULL],
            "rope_parameters": {
                SLIDING: {"rope_type": "default", "rope_theta": 10_000.0},
                FULL: {
                    "rope_type": "proportional",
                    "partial_rotary_factor": 0.25,
                    "rope_theta": 1_000_000.0,
                },
            },
            "rms_norm_eps": 1e-6,
            "final_logit_softcapping": 30.0,
            "hidden_activation": "gelu_pytorch_tanh",
            "attention_bias": False,
            "attention_dropout": 0.0,
            "use_bidirectional_attention": "vision",
            "initializer_range": 0.02,
            "tie_word_embeddings": True,
            "pad_token_id": 0,
            "eos_token_id": 1,
            "bos_token_id": 2,
        }
        return {
            "architectures": ["DiffusionGemmaForBlockDiffusion"],
            "model_type": "diffusion_gemma",
            "canvas_length": canvas_length,
            "tie_word_embeddings": True,
            "dtype": "bfloat16",
            "text_config": text,
        }

    def config(self) -> Config:
        return Config.from_json(self.config_json())
