"""The models that `infill-ls pull` knows by name, and where pulled ones are. Imports no torch."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.api import ModelMissing

EMBEDDED = "embedded"
EMBEDDED_FOLDER = Path(__file__).parents[1] / "embedded"
FAMILY = "diffusiongemma"  # several formats of one model: chosen by the memory that is free
RUNTIMES = ("transformers",)  # libraries that can run a model in place of a family of ours
RECEIPT = "pulled.json"  # written last: a folder without one is not a whole model
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
GB = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """`download` in bytes, as its publisher reports them; `format` as engine/checkpoints/plan.py
    names it; `shape` is the file of engine/checkpoints/shapes that has its configuration. `mask`
    says which file of the repository tells the token that masks. `terms` is where a licence is to
    be read that its user has to accept before it is fetched; None for one that asks for nothing.
    """

    name: str
    repository: str
    format: str
    download: int
    licence: str
    good_for: str
    shape: str = "diffusion_gemma_26b"
    mask: str | None = None
    terms: str | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether nothing but its address is known: the catalog does not have it."""
        return not self.shape

    @property
    def family(self) -> str:
        """Entries of one family are one model in several formats."""
        return FAMILY if self.name.startswith(f"{FAMILY}-") else self.name


# From the smallest to the largest: what a newcomer climbs.
CATALOG = (
    Entry(
        "open-dcoder-0.5b",
        "fredzzp/open-dcoder-0.5B",
        "bf16",
        1_000_000_000,
        "Apache-2.0 for its repository; its weights name none",
        "4 GB of free memory, or any card: lines and short blocks in Python",
        "open_dcoder_0.5b",
        "added_tokens.json",
    ),
    Entry(
        "tiny-a2d-0.5b",
        "dllm-hub/Qwen2.5-Coder-0.5B-Instruct-diffusion-mdlm-v0.1",
        "bf16",
        1_280_000_000,
        "Apache-2.0, from dLLM",
        "4 GB of free memory, or any card: experiments; it was not taught to fill gaps",
        "tiny_a2d_0.5b",
        "added_tokens.json",
    ),
    Entry(
        "dreamon-7b",
        "Dream-org/DreamOn-v0-7B",
        "bf16",
        15_240_000_000,
        "Apache-2.0, from the Dream team",
        "a card of 12 GB or more: the best of the open models at gaps of unknown length",
        "dream_7b",
        "config.json",
    ),
    Entry(
        "dream-coder-7b",
        "Dream-org/Dream-Coder-v0-Instruct-7B",
        "bf16",
        15_240_000_000,
        "Apache-2.0, from the Dream team",
        "a card of 12 GB or more: whole bodies and longer blocks",
        "dream_7b",
        "config.json",
    ),
    Entry(
        "dream-coder-7b-base",
        "Dream-org/Dream-Coder-v0-Base-7B",
        "bf16",
        15_240_000_000,
        "Apache-2.0, from the Dream team",
        "a card of 12 GB or more: the same before it was taught to follow instructions",
        "dream_7b",
        "config.json",
    ),
    Entry(
        "diffucoder-7b",
        "apple/DiffuCoder-7B-cpGRPO",
        "bf16",
        15_240_000_000,
        "Apple Machine Learning Research Model (apple-amlr): for research alone",
        "a card of 12 GB or more: research on how a code model fills in",
        "dream_7b",
        "config.json",
        "https://huggingface.co/apple/DiffuCoder-7B-cpGRPO",
    ),
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
    """The entry of `name`: one of the catalog, or any repository of a hub, OWNER/NAME. Raises
    ModelMissing listing what there is."""
    for entry in CATALOG:
        if entry.name == name:
            return entry
    if REPOSITORY.fullmatch(name):
        return Entry(name.replace("/", "--"), name, "", 0, "", "", shape="")
    known = ", ".join(entry.name for entry in CATALOG)
    raise ModelMissing(
        f'there is no model "{name}" to pull: choose one of {known}, or a repository, OWNER/NAME'
    )


def others() -> tuple[Entry, ...]:
    """Repositories that were pulled, whole or in part, and are not in the catalog."""
    known = {entry.name for entry in CATALOG}
    folders = {path.name.removesuffix(".partial") for path in _folders(store())}
    names = sorted(name for name in folders - known if "--" in name)
    return tuple(find(name.replace("--", "/", 1)) for name in names)


def here() -> tuple[str, ...]:
    """Names of the models that can be used without fetching anything, the embedded one first."""
    entries = {entry.name: entry.name for entry in CATALOG}
    entries |= {entry.repository: entry.name for entry in others()}
    pulled = (name for name, folder in entries.items() if receipt(store() / folder) is not None)
    return EMBEDDED, *pulled


def _folders(where: Path) -> list[Path]:
    return [path for path in where.iterdir() if path.is_dir()] if where.is_dir() else []


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


def by_way_of(model: str) -> tuple[str | None, str]:
    """The library that is to run a model, where its name says so ("transformers:NAME"), and the
    model's own name."""
    way, mark, name = model.partition(":")
    return (way, name) if mark and way in RUNTIMES else (None, model)


def folder_of(model: str) -> Path:
    """The folder of a model: the embedded one, one of the catalog, a folder itself, or a repository
    that was pulled. By which library it is run makes no difference.

    Raises ModelMissing saying how to get it.
    """
    _, model = by_way_of(model)
    if model == EMBEDDED:
        return EMBEDDED_FOLDER
    folder = store() / model
    if model in {entry.name for entry in CATALOG}:
        if receipt(folder) is None:
            raise ModelMissing(f"{model} is not here yet: run `infill-ls pull {model}`")
        return folder
    folder = Path(model).expanduser()
    if not folder.is_dir() and REPOSITORY.fullmatch(model):
        folder = store() / find(model).name
        if receipt(folder) is None:
            raise ModelMissing(
                f'there is no folder "{model}", and no repository of that name was pulled: run'
                f" `infill-ls pull {model}`"
            )
    if not folder.is_dir():
        names = ", ".join(f'"{name}"' for name in (EMBEDDED, *(e.name for e in CATALOG)))
        raise ModelMissing(
            f'there is no model "{model}": give {names}, or a folder with config.json, '
            "tokenizer.json and *.safetensors"
        )
    return folder
