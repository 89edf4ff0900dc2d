"""Tiny model folders of every kind that learns, all with the tokenizer that ships."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from engine.checkpoints.catalog import EMBEDDED_FOLDER
from engine.training.export import default_profile, export, write_profile
from tests.engine.models import tiny_family
from tests.engine.models.backbones import BY_NAME, Backbone, reference, save

MASK, SLACK = 4, 5  # of the tokenizer that ships
FILL_END = 11
VOCABULARY = 4096


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder."""
    monkeypatch.setenv("INFILL_MODELS", str(tmp_path / "data" / "models"))
    return tmp_path / "data"


@pytest.fixture(scope="session")
def model_folder(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder by the name of its kind, built once: not to be written to."""
    built: dict[str, Path] = {}

    def get(kind: str) -> Path:
        if kind not in built:
            built[kind] = _BUILD[kind](tiny, tmp_path_factory.mktemp("model"))
        return built[kind]

    return get


def _gemma(tiny: Any, folder: Path) -> Path:
    work = folder / "work"
    work.mkdir()
    state = {f"model.{name}": tensor.clone() for name, tensor in tiny.model.state_dict().items()}
    save_file(state, work / "state.safetensors")
    (work / "log.jsonl").write_text(json.dumps({"step": 0, "causal": 9.0, "seconds": 1.0}) + "\n")
    export(tiny.settings, work, folder / "gemma", "float32", "a test")
    return folder / "gemma"


def _dense(attention: str, **tokens: Any) -> Callable[[Any, Path], Path]:
    def write(tiny: Any, folder: Path) -> Path:
        small = {"num_hidden_layers": 2, "vocab_size": VOCABULARY}
        backbone = Backbone("tiny", "llama", {**BY_NAME["llama"].shape, **small})
        how = {
            "attention": attention, "shift": False,
            "mask_token_id": MASK, "slack_token_id": SLACK,
        }  # fmt: skip
        save(reference(backbone), folder, how)
        (folder / "tokenizer.json").write_bytes((EMBEDDED_FOLDER / "tokenizer.json").read_bytes())
        write_profile(default_profile(tiny.settings).but(**tokens), folder)
        return folder

    return write


_BUILD: dict[str, Callable[[Any, Path], Path]] = {
    "diffusion gemma": _gemma,
    "causal prefix": _dense("causal_prefix"),
    "causal prefix, fills": _dense("causal_prefix", fill_end=FILL_END, order="surest"),
    "bidirectional": _dense("bidirectional"),
    "no slack, any noise": _dense("causal_prefix", slack=None, noise=None, heal=True),
    "quick": _dense("causal_prefix", steps=2, beams=0, lookup=False),
    "no projections": lambda tiny, folder: tiny_family.write(folder),
}
KINDS = tuple(kind for kind in _BUILD if kind != "quick")
LEARNING = tuple(kind for kind in _BUILD if kind not in ("no projections", "quick"))
