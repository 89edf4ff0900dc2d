"""The profile of a model that has none of its own, from what its checkpoint says of itself.

A masked model says which token masks, which fill and grow a hole where it knows any, and whether a
prompt is read once or with every canvas; its tokenizer says where a text begins and ends. The rest
are choices, the same for all of them until `infill-ls eval` has found better ones for one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.checkpoints.added_tokens import named_tokens
from engine.checkpoints.checkpoint import read_document
from engine.checkpoints.profile import (
    Layouts,
    Profile,
    Ranking,
    Sampling,
    Tokens,
    read_profile,
)
from engine.models.family import Architecture, Masked

MARKUP = re.compile(r"<[^<>]+>")  # what a tokenizer adds beside text: <|fim_prefix|>, <tool_call>
PROMPT = 512  # tokens of a prompt that is read once
CANVAS = 160
HEAD = 32
# A hole has its length from its first look on, so several are tried; slack makes a short fill of a
# long hole, and holes that begin long need the fewest looks (facts on masked diffusion, 1.2).
SLACK_LINE, SLACK_BLOCK = (16, 32), (32, 64)
PREFIX_REFRESH = 4  # of a prompt that is read with the canvas: looks that one reading serves
MASKED_IN_TURN = 2  # rows in which the tokens of a candidate are masked in turn
SMALLEST_SHARE = 4  # a canvas takes at most this part of the longest text


@dataclass(frozen=True, slots=True)
class Pace:
    """What a device has time for, in tokens: of a prompt that is read with every canvas, of the
    text after a hole, and the lengths that are tried side by side for a line and for a block."""

    prompt: int
    suffix: int
    line: tuple[int, ...]
    block: tuple[int, ...]


ON_A_CARD = Pace(256, 48, (3, 6, 10, 16), (16, 32, 48))
ON_A_PROCESSOR = Pace(128, 24, (4, 10), (12, 32))


def profile_of(folder: Path, config: Architecture, device: str = "cuda") -> Profile:
    """What `profile.json` says; without one, what follows from the checkpoint, for this type of
    device. Raises ModelMissing naming a file that is damaged."""
    if config.masked is None or (folder / "profile.json").exists():
        return read_profile(folder)
    document = read_document(folder)
    return masked_profile(config.masked, _ids(folder, document), _never(document), device)


def masked_profile(
    masked: Masked,
    ids: Mapping[str, int | None],
    never: tuple[int, ...],
    device: str = "cuda",
) -> Profile:
    """`ids` of the tokens "bos", "eos" and "pad"; `never` are those that are never written."""
    pace = ON_A_PROCESSOR if device == "cpu" else ON_A_CARD
    prompt = PROMPT if masked.keeps_prompt else pace.prompt
    canvas = min(CANVAS, max(1, masked.length // SMALLEST_SHARE))
    eos, pad = ids["eos"], ids["pad"]
    has_slack = masked.slack is not None
    line, block = (SLACK_LINE, SLACK_BLOCK) if has_slack else (pace.line, pace.block)
    return Profile(
        name="derived, untested",
        tokens=Tokens(
            # Of a model that tells a token by the one before it, a text begins with something.
            bos=ids["bos"] if masked.shift else None,
            eos=eos,
            pad=pad if pad is not None else eos if eos is not None else masked.mask,
            first_text=0,
            slack=masked.slack,
            noise=(masked.mask,),
            never=tuple(sorted({*never, masked.mask} - {masked.slack, masked.expand})),
            expand=masked.expand,
        ),
        canvas=Layouts(
            width=canvas,
            head_tokens=max(1, min(HEAD, canvas // 4)),
            prompt_tokens=max(1, min(prompt, masked.length - canvas)),
            line_tokens=line,
            block_tokens=block,
            suffix_tokens=pace.suffix,
            padded=False,
        ),
        sampling=_sampling(masked),
        ranking=Ranking(
            scored_suffix_tokens=4,
            lookup=True,
            pseudo_likelihood=0 if masked.keeps_prompt else MASKED_IN_TURN,
        ),
    )


def _sampling(masked: Masked) -> Sampling:
    """The order of all releases that were measured: where entropy is least, the likeliest token."""
    grows = masked.expand is not None
    return Sampling(
        # A hole that may grow takes as many steps as tokens, less what is deleted together.
        steps=2 * max(SLACK_BLOCK) if grows else 24,
        t_max=1.0,
        t_min=1.0,
        entropy_bound=0.1,
        greedy=True,
        quota=True,
        confidence_threshold=0.02,
        stability_threshold=1,
        self_conditioning=False,
        order="entropy",
        tokens_per_step=1 if grows else None,
        prefix_refresh=1 if masked.keeps_prompt else PREFIX_REFRESH,
    )


def _ids(folder: Path, config: Mapping[str, Any]) -> dict[str, int | None]:
    """Those that the tokenizer names; for the end of a text, else those of the configuration, which
    some releases copied from the model they were made of, beginning and all."""
    named = named_tokens(folder)
    found: dict[str, int | None] = {"bos": named.get("bos_token")}
    for role in ("eos", "pad"):
        given: Any = named.get(f"{role}_token", config.get(f"{role}_token_id"))
        found[role] = given[0] if isinstance(given, list) and given else given
    return found


def _never(document: Mapping[str, Any]) -> tuple[int, ...]:
    added = document["added_tokens"]
    return tuple(token for text, token in added.items() if MARKUP.fullmatch(text))


__all__ = ["masked_profile", "profile_of"]
