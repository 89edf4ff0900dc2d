"""`profile.json`: what is read, and what is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from engine.api import ModelMissing
from engine.checkpoints.profile import UNTRAINED_FOR_GAPS, read_profile
from engine.training.export import default_profile, write_profile


def test_a_folder_without_a_profile(tmp_path: Path) -> None:
    assert read_profile(tmp_path) is UNTRAINED_FOR_GAPS


def test_what_is_written_is_read(tiny: Any, tmp_path: Path) -> None:
    for profile in (default_profile(tiny.settings), UNTRAINED_FOR_GAPS):
        write_profile(profile, tmp_path)
        assert read_profile(tmp_path) == profile


def test_later_keys_may_be_absent(tmp_path: Path) -> None:
    document = asdict(UNTRAINED_FOR_GAPS)
    del document["calibration"], document["rank_suffix_weight"]
    (tmp_path / "profile.json").write_text(json.dumps(document))
    assert read_profile(tmp_path) == UNTRAINED_FOR_GAPS


def without(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda document: {k: v for k, v in document.items() if k != key}


REFUSED: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("no JSON", lambda document: "{", "is not valid JSON"),
    ("no object", lambda document: [1], "holds no JSON object"),
    ("a key is missing", without("steps"), "steps"),
    ("a key of another version", lambda document: document | {"later": 1}, "unknown keys later"),
    ("no lengths", lambda document: document | {"line_tokens": []}, "at least one length"),
    ("a hole of nothing", lambda document: document | {"block_tokens": [0]}, "at least one"),
    ("no noise", lambda document: document | {"noise": []}, "noise needs at least one id"),
    ("no steps", lambda document: document | {"steps": 0}, "steps must be at least 1"),
    ("words for numbers", lambda document: document | {"steps": "ten"}, "steps"),
    ("words for lengths", lambda document: document | {"line_tokens": "ten"}, "line_tokens"),
    ("half a token", lambda document: document | {"canvas_tokens": 9.5}, "canvas_tokens"),
    ("no prompt", lambda document: document | {"prompt_tokens": 0}, "prompt_tokens"),
    (
        "a canvas that is all head",
        lambda document: document | {"canvas_tokens": 64},
        "leaves no room",
    ),
    ("one end of the calibration", lambda document: document | {"calibration": [1]}, "calibration"),
    ("cold", lambda document: document | {"t_min": 0.0, "t_max": 0.0}, "t_max"),
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
