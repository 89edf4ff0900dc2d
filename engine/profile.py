"""A profile: what differs in use between models of one architecture.

It lives beside the weights as `profile.json`; a folder without one gets `UNTRAINED_FOR_GAPS`,
which fits any model that was never taught what a hole is.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from engine.api import ModelMissing
from engine.checkpoints.load import read_json


@dataclass(frozen=True, slots=True)
class Profile:
    """How a model is asked to fill holes.

    slack: the token that fills what a hole has too much of; None where the model knows none, then
        holes come in several exact lengths and every position counts.
    noise: the ids that noise is drawn from; None for the whole vocabulary.
    heal: whether a cursor inside a word is healed by handing the word's pieces to the hole; False
        for a model that was trained on cuts inside words.
    """

    name: str
    bos: int | None
    eos: int | None
    pad: int
    first_text_token: int  # ids below are special: never written into a buffer
    slack: int | None
    noise: tuple[int, ...] | None
    heal: bool
    canvas_tokens: int
    head_tokens: int  # pinned before the first hole, at most
    prompt_tokens: int  # encoded before the canvas, at most
    line_tokens: tuple[int, ...]  # hole lengths tried for a line
    block_tokens: tuple[int, ...]  # hole lengths tried for a block
    steps: int
    t_max: float
    t_min: float
    entropy_bound: float
    greedy: bool  # accepted positions take their likeliest token
    quota: bool  # accept at least an even share of the hole at every step
    confidence_threshold: float
    stability_threshold: int
    self_conditioning: bool
    rank_suffix_tokens: int = 8
    rank_suffix_weight: float = 0.5
    calibration: tuple[float, float] = (1.0, 0.0)  # slope and intercept on the log-odds

    def __post_init__(self) -> None:
        if not self.line_tokens or not self.block_tokens:
            raise ValueError("line_tokens and block_tokens each need at least one length")
        if self.noise is not None and not self.noise:
            raise ValueError("noise needs at least one id, or null for the whole vocabulary")
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, not {self.steps}")


UNTRAINED_FOR_GAPS = Profile(
    name="untrained for gaps",
    bos=2,
    eos=1,
    pad=0,
    first_text_token=6,
    slack=None,
    noise=None,
    heal=True,
    canvas_tokens=256,
    head_tokens=64,
    prompt_tokens=4096,
    line_tokens=(3, 5, 8, 12, 16, 24),
    block_tokens=(16, 24, 32, 48, 64, 96),
    steps=48,
    t_max=0.8,
    t_min=0.4,
    entropy_bound=0.1,
    greedy=False,
    quota=False,
    confidence_threshold=0.005,
    stability_threshold=1,
    self_conditioning=True,
)


def read_profile(folder: Path) -> Profile:
    """The folder's profile; raises ModelMissing when `profile.json` is not one."""
    path = folder / "profile.json"
    if not path.exists():
        return UNTRAINED_FOR_GAPS
    document = read_json(path)
    known = {field.name for field in fields(Profile)}
    if unknown := ", ".join(sorted(set(document) - known)):
        raise ModelMissing(f"{path}: unknown keys {unknown}; is it for another version?")
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in document.items()
    }
    try:
        return Profile(**values)
    except (TypeError, ValueError) as error:
        raise ModelMissing(f"{path}: {error}; fetch the model again") from error
