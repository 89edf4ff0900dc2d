"""`profile.json`: what is read, and what is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest

from engine.api import ModelMissing
from engine.checkpoints.catalog import EMBEDDED_FOLDER
from engine.checkpoints.profile import FEATURES, PARTS, UNTRAINED_FOR_GAPS, YOUNGER, read_profile
from engine.training.export import default_profile, write_profile


def test_a_folder_without_a_profile(tmp_path: Path) -> None:
    assert read_profile(tmp_path) is UNTRAINED_FOR_GAPS


def test_what_is_written_is_read(tiny: Any, tmp_path: Path) -> None:
    for profile in (default_profile(tiny.settings), UNTRAINED_FOR_GAPS):
        write_profile(profile, tmp_path)
        assert read_profile(tmp_path) == profile


def test_later_keys_may_be_absent(tmp_path: Path) -> None:
    document = asdict(UNTRAINED_FOR_GAPS)
    del document["ranking"]["calibration"], document["ranking"]["suffix_weight"]
    del document["canvas"]["style"], document["sampling"]["rerolls"], document["tokens"]["slack"]
    (tmp_path / "profile.json").write_text(json.dumps(document))
    assert read_profile(tmp_path) == UNTRAINED_FOR_GAPS


def test_changed_by_the_names_of_the_parts_fields() -> None:
    changed = UNTRAINED_FOR_GAPS.but(name="new", slack=5, width=128, steps=3, beams=2)
    assert (changed.name, changed.tokens.slack, changed.canvas.width) == ("new", 5, 128)
    assert (changed.sampling.steps, changed.ranking.beams) == (3, 2)
    assert changed.but(
        name=UNTRAINED_FOR_GAPS.name, slack=None, width=256, steps=48, beams=0
    ) == UNTRAINED_FOR_GAPS  # fmt: skip
    with pytest.raises(TypeError, match="haste"):
        UNTRAINED_FOR_GAPS.but(haste=1.0)
    with pytest.raises(ValueError, match="steps must be at least 1"):
        UNTRAINED_FOR_GAPS.but(steps=0)


def test_the_parts_fields_have_names_of_their_own() -> None:
    names = [field.name for part in PARTS.values() for field in fields(part)]
    assert sorted(names) == sorted(set(names))


def test_the_profile_that_ships_is_of_this_version() -> None:
    """Its weights are those of the features that the code has."""
    ranking = read_profile(EMBEDDED_FOLDER).ranking
    for weights in (ranking.weights, ranking.calibration):
        assert set(FEATURES) - YOUNGER <= weights.keys() <= set(FEATURES)


def without(part: str, key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda document: document | {part: {k: v for k, v in document[part].items() if k != key}}


def given(part: str, **values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda document: document | {part: document[part] | values}


WEIGHTS = dict.fromkeys(FEATURES, 1.0)

REFUSED: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("no JSON", lambda document: "{", "is not valid JSON"),
    ("no object", lambda document: [1], "holds no JSON object"),
    ("no part", lambda document: document | {"canvas": 3}, "canvas is no object"),
    ("a key is missing", without("sampling", "steps"), "steps"),
    ("a part is missing", lambda document: {"name": "x"}, "bos"),
    ("a key of another version", lambda document: document | {"later": 1}, "unknown keys later"),
    ("a key of no part", given("canvas", steps=3), "unknown keys steps of canvas"),
    ("no lengths", given("canvas", line_tokens=[]), "at least one length"),
    ("a hole of nothing", given("canvas", block_tokens=[0]), "at least one"),
    ("no noise", given("tokens", noise=[]), "noise needs at least one id"),
    ("no steps", given("sampling", steps=0), "steps must be at least 1"),
    ("words for numbers", given("sampling", steps="ten"), "steps"),
    ("words for lengths", given("canvas", line_tokens="ten"), "line_tokens"),
    ("half a token", given("canvas", width=9.5), "width"),
    ("truth for a number", given("sampling", steps=True), "steps"),
    ("a number for truth", given("sampling", greedy=1), "greedy must be true or"),
    ("words for a float", given("sampling", t_max="1.0"), "t_max must be a finite"),
    ("nothing for a float", given("sampling", entropy_bound=None), "entropy_bound"),
    ("endless", given("sampling", t_max=float("inf")), "t_max must be a finite"),
    ("half an id", given("tokens", noise=[4.5]), "noise must be a list"),
    ("a token of truth", given("tokens", slack=False), "slack must be a whole"),
    ("no prompt", given("canvas", prompt_tokens=0), "prompt_tokens"),
    ("a canvas that is all head", given("canvas", width=64), "leaves no room"),
    ("weights without names", given("ranking", calibration=[1.0]), "calibration"),
    ("a weight is missing", given("ranking", weights={"middle": 1.0}), "weights must weigh"),
    ("a weight of nothing", given("ranking", weights=WEIGHTS | {"mood": 1.0}), "differ: mood"),
    ("words for weights", given("ranking", weights=WEIGHTS | {"block": "2"}), "weights must be"),
    ("cold", given("sampling", t_min=0.0, t_max=0.0), "t_max"),
]


@pytest.mark.parametrize(("name", "breaks", "says"), REFUSED, ids=[name for name, _, _ in REFUSED])
def test_refused(
    name: str, breaks: Callable[[dict[str, Any]], Any], says: str, tmp_path: Path
) -> None:
    broken = breaks(asdict(UNTRAINED_FOR_GAPS))
    path = tmp_path / "profile.json"
    path.write_text(broken if isinstance(broken, str) else json.dumps(broken))
    with pytest.raises(ModelMissing, match=says) as raised:
        read_profile(tmp_path)
    assert str(path) in str(raised.value)
