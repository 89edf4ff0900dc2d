"""A profile: what differs in use between models, in four parts.

    tokens    the ids that mean something
    canvas    what is laid out around a hole, and how long holes are
    sampling  how noise becomes text
    ranking   which candidates there are, and what speaks for one of them

It lives beside the weights as `profile.json`, an object of these four; a folder without one gets
`INSTRUCT` if it has a chat template, else `UNTRAINED_FOR_GAPS`, which fits any model that was never
taught what a hole is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from engine.api import ModelMissing
from engine.checkpoints.files import read_json
from engine.typed import check_types

STYLES = ("plain", "chat")
SMALLEST_HOLE = 3  # a token, and one on each side that a healed seam may take

# What rank and calibration weigh, by name: the numbers that a candidate's evidence is made of
# (engine/fill/rank.py), in the order in which they are added.
FEATURES = (
    "constant",
    "middle",  # mean log-probability of the fill's tokens
    "suffix",  # mean log-probability of the first tokens after it
    "match",  # characters that agreed where it was looked up, as a share of the most that count
    "looked up",
    "only one",
    "times found",  # its logarithm
    "surplus closers",
    "unmatched brackets",
    "unopened",
    "unfilled",
    "block",
    "whole",  # log-probability of all its tokens
    "proposed",  # by the caller, and not found in the file
    "proposed match",  # as `match`, for one that was proposed
    "proposed times",  # the logarithm of the number of files
)
# Features younger than some profiles, which say nothing of them: there they weigh nothing.
YOUNGER = frozenset(("proposed", "proposed match", "proposed times"))


@dataclass(frozen=True, slots=True)
class Tokens:
    """`slack` fills what a hole has too much of; None where the model knows none, then holes come
    in several exact lengths and every position counts. `noise` are the ids that noise is drawn
    from; None for the whole vocabulary. Ids below `first_text` are never written into a buffer, nor
    are those of `noise` and `never`.

    `fill_end`: the causal pass of some models, too, was taught to fill: it reads what follows the
    gap first, at the places that it has behind the largest hole of a canvas, then the cursor's line
    and the fill, which this token ends. None for one that only reads on.

    `expand` becomes two tokens of noise while a hole is denoised; None where a model knows no such.
    """

    bos: int | None
    eos: int | None
    pad: int
    first_text: int
    slack: int | None = None
    noise: tuple[int, ...] | None = None
    fill_end: int | None = None
    expand: int | None = None
    never: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_types(self)
        if self.noise is not None and not self.noise:
            raise ValueError("noise needs at least one id, or null for the whole vocabulary")


@dataclass(frozen=True, slots=True)
class Layouts:
    """What canvases look like, in tokens.

    heal: whether a cursor inside a word is healed by handing the word's pieces to the hole; False
        for a model that was trained on cuts inside words.
    join_indent: whether the prompt goes on to the last space before the line's first word: for
        tokenizers that join a line break with the indentation after it, that space aside.
    style: "plain" is the text itself; for "chat" see engine/fill/chat_prompt.py.
    padded: whether the padding of a short canvas is looked at, as by a model that was trained on
        canvases of one width; else a text ends where it ends.
    """

    width: int
    head_tokens: int  # pinned before the first hole, at most
    prompt_tokens: int  # encoded before the canvas, at most
    line_tokens: tuple[int, ...]  # hole lengths tried for a line
    block_tokens: tuple[int, ...]  # hole lengths tried for a block
    context_tokens: int = 0  # of the prompt's, that other files may have; a chat has its own share
    suffix_tokens: int | None = None  # pinned after the longest hole; None: as many as fit
    heal: bool = True
    join_indent: bool = False
    style: str = "plain"
    around_lines: int = 0  # chat: lines pinned before and after the gap's, at most
    tail_tokens: int = 0  # chat: pinned after the last hole, at most
    padded: bool = True

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("line_tokens", "block_tokens"):
            lengths = getattr(self, name)
            if not lengths or not all(n >= 1 for n in lengths):
                raise ValueError(f"{name} needs at least one length, each at least one")
        for name in ("head_tokens", "prompt_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.context_tokens < 0:
            raise ValueError(f"context_tokens must not be below 0, as {self.context_tokens} is")
        if (self.suffix_tokens or 0) < 0:
            raise ValueError(f"suffix_tokens must not be below 0, as {self.suffix_tokens} is")
        if self.width < self.head_tokens + SMALLEST_HOLE:
            raise ValueError(
                f"a head of {self.head_tokens} leaves no room on a canvas of {self.width}"
            )
        if self.style not in STYLES:
            raise ValueError(f"style must be one of {', '.join(STYLES)}, not {self.style!r}")
        if self.style == "chat" and self.tail_tokens < 1:
            raise ValueError("style chat needs tail_tokens of at least 1")


@dataclass(frozen=True, slots=True)
class Sampling:
    """As engine.denoise.rules.Denoising has it, but for `rerolls`: how often a canvas that came
    back empty is begun anew. `stride_growth` and `abandon_loss` are those of a line."""

    steps: int
    t_max: float
    t_min: float
    entropy_bound: float
    greedy: bool
    quota: bool
    confidence_threshold: float
    stability_threshold: int
    self_conditioning: bool
    order: Literal["surest", "left", "confidence", "entropy", "margin", "p2"] = "surest"
    stride_growth: float = 0.0
    abandon_loss: float | None = None  # None: nothing is abandoned
    rerolls: int = 0
    top_p: float = 1.0
    position_temperature: float = 0.0
    tokens_per_step: int | None = None
    rounding: Literal["down", "nearest"] = "down"
    prefix_refresh: int = 1

    def __post_init__(self) -> None:
        check_types(self)
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, not {self.steps}")
        if self.stride_growth < 0:
            raise ValueError(f"stride_growth must not be below 0, as {self.stride_growth} is")
        if self.abandon_loss is not None and self.abandon_loss <= 0:
            raise ValueError(
                f"abandon_loss must be above 0, or null for never, not {self.abandon_loss}"
            )
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, not {self.top_p}")
        if self.position_temperature < 0:
            raise ValueError(
                f"position_temperature must not be below 0, as {self.position_temperature} is"
            )
        for name in ("tokens_per_step", "prefix_refresh"):
            given = getattr(self, name)
            if given is not None and given < 1:
                raise ValueError(f"{name} must be at least 1, not {given}")
        if not 0 <= self.t_min <= self.t_max or not self.t_max:
            raise ValueError(f"need 0 <= t_min <= t_max > 0, not {self.t_min} and {self.t_max}")


@dataclass(frozen=True, slots=True)
class Ranking:
    """`weights` and `calibration` weigh FEATURES by name, all of them or none: without `weights`
    the first three numbers rank, without `calibration` a confidence is not calibrated.

    pseudo_likelihood: in so many rows a candidate's tokens are masked in turn, where there is no
        causal pass to score them (engine/fill/pseudo_likelihood.py); 0: they are not scored.
    """

    scored_suffix_tokens: int = 8  # after a fill, whose likelihood counts
    suffix_weight: float = 0.5
    match_weight: float = 0.2  # per character that agreed with a looked-up candidate's
    beams: int = 0  # lines that the causal pass adds to the candidates, see engine/fill/beam.py
    lookup: bool = False  # whether texts found in the file join the candidates
    each_hole: bool = False  # whether holes resolved together are then filled each by itself
    pseudo_likelihood: int = 0
    weights: Mapping[str, float] = field(default_factory=dict)
    calibration: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("beams", "pseudo_likelihood"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be below 0, as {getattr(self, name)} is")
        for name in ("weights", "calibration"):
            given = getattr(self, name)
            if not isinstance(given, Mapping):
                raise ValueError(f"{name} are numbers by the name of a feature, not {given!r}")
            if not given:
                continue
            if odd := sorted((given.keys() ^ set(FEATURES)) - (YOUNGER - given.keys())):
                raise ValueError(
                    f"{name} must weigh the features of this version, all of them and no other;"
                    f" these differ: {', '.join(odd)}"
                )
            if not all(isinstance(w, int | float) and math.isfinite(w) for w in given.values()):
                raise ValueError(f"{name} must be finite numbers")


@dataclass(frozen=True, slots=True)
class Profile:
    """How a model is asked to fill holes."""

    name: str
    tokens: Tokens
    canvas: Layouts
    sampling: Sampling
    ranking: Ranking = field(default_factory=Ranking)

    def __post_init__(self) -> None:
        order, sampling = self.sampling.order, self.sampling
        if order in ("confidence", "entropy", "margin", "p2") and len(self.tokens.noise or ()) != 1:
            raise ValueError(f"the order {order!r} needs one token of noise, which masks")
        if self.ranking.pseudo_likelihood and len(self.tokens.noise or ()) != 1:
            raise ValueError("pseudo_likelihood needs one token of noise, which masks")
        if self.tokens.expand is None:
            return
        if order not in ("confidence", "entropy", "margin") or sampling.tokens_per_step is None:
            raise ValueError(
                "holes grow by expand in the orders confidence, entropy and margin alone, and with"
                " tokens_per_step"
            )
        if sampling.self_conditioning or self.canvas.padded:
            raise ValueError(
                "holes grow by expand only on canvases that are not padded, and without"
                " self_conditioning"
            )

    def but(self, **changes: Any) -> Profile:
        """The profile with other values, by the names of the parts' fields, which are all
        different. Raises ValueError for one that cannot be, TypeError for an unknown name."""
        changed: dict[str, Any] = {"name": changes.pop("name")} if "name" in changes else {}
        for part in PARTS:
            known = {each.name for each in fields(PARTS[part])}
            if here := {name: changes.pop(name) for name in known & changes.keys()}:
                changed[part] = replace(getattr(self, part), **here)
        if changes:
            raise TypeError(f"a profile has no {', '.join(sorted(changes))}")
        return replace(self, **changed)


PARTS: dict[str, type[Any]] = {
    "tokens": Tokens,
    "canvas": Layouts,
    "sampling": Sampling,
    "ranking": Ranking,
}


UNTRAINED_FOR_GAPS = Profile(
    name="untrained for gaps",
    tokens=Tokens(bos=2, eos=1, pad=0, first_text=6),
    canvas=Layouts(
        width=256,
        head_tokens=64,
        prompt_tokens=4096,
        line_tokens=(3, 5, 8, 12, 16, 24),
        block_tokens=(16, 24, 32, 48, 64, 96),
    ),
    sampling=Sampling(
        steps=48,
        t_max=0.8,
        t_min=0.4,
        entropy_bound=0.1,
        greedy=False,
        quota=False,
        confidence_threshold=0.005,
        stability_threshold=1,
        self_conditioning=True,
    ),
)


# For DiffusionGemma as released. Untested on real weights: `infill-ls eval` is how to change that.
# Sampling is as its generation_config.json has it. A turn ends with <turn|> (106), and the rest of
# its canvas is <eos> (1), as in training. Text begins with the newline (107): below are controls.
INSTRUCT = UNTRAINED_FOR_GAPS.but(
    name="instruct, untested",
    eos=106,
    pad=1,
    first_text=107,
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
    try:
        return from_json(document)
    except (TypeError, ValueError) as error:
        raise ModelMissing(f"{path}: {error}; fetch the model again") from error


def from_json(document: Mapping[str, Any]) -> Profile:
    """Of the contents of a `profile.json`. Raises ValueError naming what is wrong in which part,
    TypeError for a value of a wrong type."""
    _refuse_unknown(document, {"name", *PARTS}, "")
    parts: dict[str, Any] = {}
    for name, part in PARTS.items():
        given = document.get(name, {})
        if not isinstance(given, Mapping):
            raise ValueError(f"{name} is no object")
        _refuse_unknown(given, {each.name for each in fields(part)}, f" of {name}")
        values = {
            key: tuple(value) if isinstance(value, list) else value for key, value in given.items()
        }
        parts[name] = part(**values)
    return Profile(name=str(document.get("name", "")), **parts)


def _refuse_unknown(document: Mapping[str, Any], known: set[str], whose: str) -> None:
    if unknown := ", ".join(sorted(document.keys() - known)):
        raise ValueError(f"unknown keys {unknown}{whose}; is it for another version?")


def _has_chat_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").exists():
        return True
    settings = folder / "tokenizer_config.json"
    return settings.exists() and "chat_template" in read_json(settings)
