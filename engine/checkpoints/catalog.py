"""The models that `infill-ls pull` knows by name, and where pulled ones are. Imports no torch."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.api import ModelMissing

EMBEDDED = "embedded"
EMBEDDED_FOLDER = Path(__file__).parents[1] / "embedded"
FAMILY = "diffusiongemma"  # all of the catalog: the format is chosen by the memory that is free
RECEIPT = "pulled.json"  # written last: a folder without one is not a whole model
GB = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """`download` in bytes, as its publisher reports them; `format` as engine/checkpoints/plan.py
    names it."""

    name: str
    repository: str
    format: str
    download: int
    licence: str
    good_for: str


CATALOG = (
    Entry(
        "diffusiongemma-nvfp4",
        "nvidia/diffusiongemma-26B-A4B-it-NVFP4",
        "nvfp4",
        18_850_000_000,
        "Apache-2.0, from NVIDIA",
        "one RTX card of 24 GB or more: experts in 4 bits, the rest in 16",
    ),
    Entry(
        "diffusiongemma-fp8",
        "RedHatAI/diffusiongemma-26B-A4B-it-FP8-dynamic",
        "fp8",
        27_200_000_000,
        "Apache-2.0, from Red Hat",
        "a card of 40 GB or more (H100, RTX PRO 6000)",
    ),
    Entry(
        "diffusiongemma-bf16",
        "google/diffusiongemma-26B-A4B-it",
        "bf16",
        51_690_000_000,
        "Apache-2.0, from Google",
        "a card of 80 GB: the reference that the others are measured against",
    ),
)


def find(name: str) -> Entry:
    """The entry of `name`; raises ModelMissing listing what there is."""
    for entry in CATALOG:
        if entry.name == name:
            return entry
    known = ", ".join(entry.name for entry in CATALOG)
    raise ModelMissing(f'there is no model "{name}" to pull: choose one of {known}')


def store() -> Path:
    """Where pulled models are: `$INFILL_MODELS`, or the user's data folder."""
    if given := os.environ.get("INFILL_MODELS"):
        return Path(given).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "infill-ls" / "models"


def receipt(folder: Path) -> dict[str, Any] | None:
    """What was pulled into `folder`; None when that is not a whole model."""
    try:
        found = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))
        sizes = {folder / name: int(file["size"]) for name, file in found["files"].items()}
        whole = all(path.stat().st_size == size for path, size in sizes.items())
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return found if whole else None


def folder_of(model: str) -> Path:
    """The folder of a model: the embedded one, one of the catalog, or a folder itself.

    Raises ModelMissing saying how to get it.
    """
    if model == EMBEDDED:
        return EMBEDDED_FOLDER
    folder = store() / model
    if model in {entry.name for entry in CATALOG}:
        if receipt(folder) is None:
            raise ModelMissing(f"{model} is not here yet: run `infill-ls pull {model}`")
        return folder
    folder = Path(model).expanduser()
    if not folder.is_dir():
        names = ", ".join(f'"{name}"' for name in (EMBEDDED, *(e.name for e in CATALOG)))
        raise ModelMissing(
            f'there is no model "{model}": give {names}, or a folder with config.json, '
            "tokenizer.json and *.safetensors"
        )
    return folder
