"""A profile: what differs in use between models of one architecture.

It lives beside the weights as `profile.json`; a folder without one gets `INSTRUCT` if it has a chat
template, else `UNTRAINED_FOR_GAPS`, which fits any model that was never taught what a hole is.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from engine.api import ModelMissing
from engine.checkpoints.files import read_json

STYLES = ("plain", "chat")
FEATURES = 13  # of a candidate's evidence (engine/fill/rank.py), which rank and calibration weigh
SMALLEST_HOLE = 3  # a token, and one on each side that a healed seam may take


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
    order: Literal["surest", "left"] = "surest"  # see engine/denoise/order.py
    haste: float = 0.0  # of a line, see engine/denoise/order.py
    hopeless: float | None = None  # the same; None: nothing is
    suffix_tokens: int | None = None  # pinned after the longest hole; None: as many as fit
    rank_suffix_tokens: int = 8
    rank_suffix_weight: float = 0.5
    rank_match_weight: float = 0.2  # per character that agreed with a looked-up candidate's
    beams: int = 0  # lines that the causal pass adds to the candidates, see engine/fill/beam.py
    lookup: bool = False  # whether texts found in the file join the candidates
    rank: tuple[float, ...] = ()  # weights of Evidence.features; none: by the three above
    calibration: tuple[float, ...] = ()  # weights of Evidence.features; none: the raw probability
    style: str = "plain"  # "plain": the text itself; "chat": see engine/fill/chat_prompt.py
    around_lines: int = 0  # chat: lines pinned before and after the gap's, at most
    tail_tokens: int = 0  # chat: pinned after the last hole, at most
    rerolls: int = 0  # times a canvas that came back empty is begun anew

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and type(value) is not int:
                raise ValueError(f"{field.name} must be a whole number, not {value!r}")
        for name in ("line_tokens", "block_tokens"):
            lengths = getattr(self, name)
            if not lengths or not all(type(n) is int and n >= 1 for n in lengths):
                raise ValueError(f"{name} needs at least one length, each at least one")
        if self.noise is not None and not self.noise:
            raise ValueError("noise needs at least one id, or null for the whole vocabulary")
        for name in ("steps", "head_tokens", "prompt_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.haste < 0 or (self.suffix_tokens or 0) < 0 or self.beams < 0:
            raise ValueError("haste, suffix_tokens and beams must not be below 0")
        if self.hopeless is not None and self.hopeless <= 0:
            raise ValueError(f"hopeless must be above 0, or null for never, not {self.hopeless}")
        if self.canvas_tokens < self.head_tokens + SMALLEST_HOLE:
            raise ValueError(
                f"a head of {self.head_tokens} leaves no room on a canvas of {self.canvas_tokens}"
            )
        if not 0 <= self.t_min <= self.t_max or not self.t_max:
            raise ValueError(f"need 0 <= t_min <= t_max > 0, not {self.t_min} and {self.t_max}")
        for name in ("rank", "calibration"):
            if len(getattr(self, name)) not in (0, FEATURES):
                raise ValueError(f"{name} needs {FEATURES} weights, or none")
        if self.style not in STYLES:
            raise ValueError(f"style must be one of {', '.join(STYLES)}, not {self.style!r}")
        if self.style == "chat" and self.tail_tokens < 1:
            raise ValueError("style chat needs tail_tokens of at least 1")


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


# For DiffusionGemma as released. Untested on real weights: `infill-ls eval` is how to change that.
# Sampling is as its generation_config.json has it. A turn ends with <turn|> (106), and the rest of
# its canvas is <eos> (1), as in training. Text begins with the newline (107): below are controls.
INSTRUCT = replace(
    UNTRAINED_FOR_GAPS,
    name="instruct, untested",
    eos=106,
    pad=1,
    first_text_token=107,
    style="chat",
    head_tokens=64,
    tail_tokens=80,
    around_lines=4,
    rerolls=2,
)


def read_profile(folder: Path) -> Profile:
    """The folder's profile; raises ModelMissing when `profile.json` is not one."""
    path = folder / "profile.json"
    if not path.exists():
        return INSTRUCT if _has_chat_template(folder) else UNTRAINED_FOR_GAPS
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


def _has_chat_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").exists():
        return True
    settings = folder / "tokenizer_config.json"
    return settings.exists() and "chat_template" in read_json(settings)
