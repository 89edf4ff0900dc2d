"""Which folder is which model: where each release says how it fills masks, in its own layout."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.api import ModelMissing
from engine.checkpoints.checkpoint import read_config
from engine.models.dense import Config, Masking
from tests.engine.models.backbones import SHAPE


@dataclass(frozen=True, slots=True)
class Folder:
    name: str
    config: dict[str, Any]
    masking: Masking
    files: dict[str, Any] = field(default_factory=dict)


FOLDERS = [
    Folder(
        "ours",
        {"model_type": "llama", "infill": {"attention": "causal_prefix", "mask_token_id": 7}},
        Masking("causal_prefix", shift=False, mask=7),
    ),
    Folder(
        "ours, all of it said",
        {
            "model_type": "qwen3",
            "infill": {
                "attention": "bidirectional",
                "shift": True,
                "mask_token_id": 7,
                "slack_token_id": 8,
                "expand_token_id": 9,
            },
        },
        Masking("bidirectional", shift=True, mask=7, slack=8, expand=9),
    ),
    Folder(
        "Dream",
        {"model_type": "Dream", "mask_token_id": 66},
        Masking("bidirectional", shift=True, mask=66),
    ),
    Folder(
        "DreamOn, by how it generates",
        {"model_type": "Dream", "mask_token_id": 66, "eos_token_id": 43},
        Masking("bidirectional", shift=True, mask=66, slack=44, expand=67),
        {"generation_config.json": {"expand_token_id": 67, "delete_token_id": 44}},
    ),
    Folder(
        "DreamOn, by its tokenizer",
        {"model_type": "Dream", "mask_token_id": 66, "eos_token_id": 43},
        Masking("bidirectional", shift=True, mask=66, slack=43, expand=67),
        {"added_tokens.json": {"<|mask|>": 66, "<|expand|>": 67}},
    ),
    Folder(
        "Dream, whose mask is told by how it generates",
        {"model_type": "Dream"},
        Masking("bidirectional", shift=True, mask=66),
        {"generation_config.json": {"mask_token_id": 66}},
    ),
    Folder(
        "Tiny-A2D",
        {"model_type": "a2d-qwen2"},
        Masking("bidirectional", shift=False, mask=65),
        {"tokenizer_config.json": {"added_tokens_decoder": {"65": {"content": "<|mask|>"}}}},
    ),
    Folder(
        "Tiny-A2D, by its tokenizer",
        {"model_type": "a2d-qwen3"},
        Masking("bidirectional", shift=False, mask=69),
        {"tokenizer.json": {"added_tokens": [{"id": 69, "content": "<|mask|>"}]}},
    ),
    Folder(
        "Tiny-A2D on a Llama, by its configuration",
        {"model_type": "a2d-llama", "mask_token_id": 5},
        Masking("bidirectional", shift=False, mask=5),
    ),
    Folder(
        "Open-dCoder",
        {"model_type": "qwen2"},
        Masking("bidirectional", shift=True, mask=65),
        {"added_tokens.json": {"<|endoftext|>": 43, "<M>": 65}},
    ),
]


def write(folder: Path, config: dict[str, Any], files: dict[str, Any]) -> Path:
    contents = {"config.json": {**SHAPE, **config}, **files}
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content), "utf-8")
    return folder


@pytest.mark.parametrize("case", FOLDERS, ids=lambda case: case.name)
def test_a_folder_says_how_it_fills_masks(case: Folder, tmp_path: Path) -> None:
    config = read_config(write(tmp_path, case.config, case.files))
    assert isinstance(config, Config)
    assert config.masking == case.masking


REFUSED = [
    ("a language model", {"model_type": "qwen2"}, {}, "nothing says that this qwen2 model fills"),
    ("a model that writes on", {"model_type": "sdar"}, {}, "does not see what follows the gap"),
    ("no mask", {"model_type": "a2d-qwen2"}, {}, "'<|mask|>' is missing"),
    ("no mask in infill", {"model_type": "llama", "infill": {"attention": "x"}}, {}, "is missing"),
    (
        "an attention that is none",
        {"model_type": "llama", "infill": {"attention": "x", "mask_token_id": 7}},
        {},
        "attention = 'x' is not causal_prefix or bidirectional",
    ),
    (
        "a shift after a causal prefix",
        {
            "model_type": "llama",
            "infill": {"attention": "causal_prefix", "mask_token_id": 7, "shift": True},
        },
        {},
        "shift = true is not supported",
    ),
    (
        "a sliding window",
        {"model_type": "Dream", "mask_token_id": 66, "use_sliding_window": True},
        {},
        "use_sliding_window = True is not supported",
    ),
    (
        "positions of another kind",
        {"model_type": "Dream", "mask_token_id": 66, "rope_parameters": {"rope_type": "longrope"}},
        {},
        "are not supported",
    ),
    (
        "added tokens that are none",
        {"model_type": "qwen2"},
        {"added_tokens.json": {"<M>": "many"}},
        "lists added tokens in no known way",
    ),
]


@pytest.mark.parametrize(
    ("config", "files", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_cannot_be_used_is_refused_with_the_reason(
    config: dict[str, Any], files: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelMissing, match=words.replace("|", r"\|").replace("<", r"\<")):
        read_config(write(tmp_path, config, files))
