"""Rotary settings: how fast each pair of a head's dimensions turns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kernels.rotary import rotary_frequencies

KINDS = ("default", "linear", "llama3", "yarn")


@dataclass(frozen=True, slots=True)
class Rope:
    """`factor`: how many times longer texts may be than in pretraining, of `trained` tokens.

    "linear" turns everything slower by it. "llama3" leaves alone what turns more than `high` times
    within `trained` tokens, slows what turns less than `low` times, and blends between them; "yarn"
    does so dimension by dimension, and scales what is turned by `attention`.
    """

    theta: float
    kind: str = "default"
    factor: float = 1.0
    low: float = 1.0
    high: float = 1.0
    trained: int = 0
    attention: float = 1.0
    truncate: bool = True

    @classmethod
    def from_json(cls, document: Mapping[str, Any], positions: int) -> Rope:
        """Of a `config.json` in either spelling: `rope_parameters`, or `rope_theta` beside
        `rope_scaling`. Raises ValueError for a kind that is not one of KINDS, KeyError for a key
        that its kind needs."""
        given: Mapping[str, Any] = (
            document.get("rope_parameters") or document.get("rope_scaling") or {}
        )
        theta = float(given.get("rope_theta", document.get("rope_theta", 10000.0)))
        kind = given.get("rope_type", given.get("type", "default"))
        if kind not in KINDS or given.get("partial_rotary_factor", 1.0) != 1.0:
            raise ValueError(f"rope settings {dict(given)!r} are not supported")
        if kind == "default":
            return cls(theta)
        factor = float(given["factor"])
        if kind == "linear":
            return cls(theta, kind, factor)
        trained = int(given.get("original_max_position_embeddings") or positions)
        if kind == "llama3":
            low, high = float(given["low_freq_factor"]), float(given["high_freq_factor"])
            return cls(theta, kind, factor, low, high, trained)
        low = float(given.get("beta_slow") or 1.0)
        high = float(given.get("beta_fast") or 32.0)
        attention = _yarn_attention(given, factor)
        truncate = bool(given.get("truncate", True))
        return cls(theta, kind, factor, low, high, trained, attention, truncate)

    def frequencies(self, head_dim: int) -> Tensor:
        """Radians that each pair of dimensions turns in a token, [head_dim / 2] in float32."""
        plain = rotary_frequencies(head_dim, self.theta)
        if self.kind == "default":
            return plain
        slow = plain / self.factor
        if self.kind == "linear":
            return slow
        if self.kind == "llama3":
            turns = self.trained * plain / (2 * math.pi)
            share = ((turns - self.low) / (self.high - self.low)).clamp(0, 1)
            return slow + share * (plain - slow)
        first, last = (self._pair_that_turns(times, head_dim) for times in (self.high, self.low))
        if self.truncate:
            first, last = math.floor(first), math.ceil(last)
        first, last = max(first, 0), min(last, head_dim - 1)
        pairs = torch.arange(head_dim // 2, dtype=torch.float32)
        ramp = ((pairs - first) / (max(last - first, 0.001))).clamp(0, 1)
        return slow * ramp + plain * (1 - ramp)

    def _pair_that_turns(self, times: float, head_dim: int) -> float:
        """The pair of dimensions, a fraction, that turns so many times in a text as long as those
        of pretraining."""
        wavelength = self.trained / (times * 2 * math.pi)
        return head_dim * math.log(wavelength) / (2 * math.log(self.theta))


def _yarn_attention(given: Mapping[str, Any], factor: float) -> float:
    def scale(by: float) -> float:
        return 1.0 if factor <= 1 else 0.1 * by * math.log(factor) + 1.0

    if given.get("attention_factor") is not None:
        return float(given["attention_factor"])
    if given.get("mscale") and given.get("mscale_all_dim"):
        return scale(given["mscale"]) / scale(given["mscale_all_dim"])
    return scale(1.0)


__all__ = ["Rope"]
