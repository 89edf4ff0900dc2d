"""What the answers of an evaluation depend on, as digests: with any of it changed, answers of an
earlier run are answers to another question."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from engine.api import ModelMissing
from engine.checkpoints.catalog import folder_of, receipt
from engine.checkpoints.checkpoint import read_config
from engine.checkpoints.derived import profile_of
from engine.evaluation.items import BadData, Item

# Files of a model folder that decide what it writes, beside its profile.
MODEL_FILES = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
    "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja",
    "model.safetensors.index.json", "tuned.json",
)  # fmt: skip
PACKAGES = ("engine", "kernels")
NO_FILL = ("engine/training/",)  # code that takes no part in a fill
LIBRARIES = ("torch", "tokenizers")  # whose version can change what is computed


def digests(
    model: str, items: Sequence[Item], functions: Iterable[str | None] = ()
) -> dict[str, Any]:
    """Digests of the weights and the profile of `model`, of `items` (the data as they were cut),
    and of the code: that of the engine, and of the packages that hold `functions`
    ("module:function"). Raises ModelMissing.

    model: a name that stands for one folder (`suited` makes one of a family's).
    """
    folder = folder_of(model)
    packages = {re.split("[.:]", each)[0] for each in functions if each}
    return {
        "weights": digest_weights(folder),
        "profile": digest_profile(folder),
        "data": digest_items(items),
        "code": digest_code(sorted({*PACKAGES, *packages})),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
    }


def digest_profile(folder: Path) -> str:
    """Of the profile that a folder is used with, whatever its `profile.json` leaves out. Raises
    ModelMissing."""
    return _sha256(json.dumps(asdict(profile_of(folder, read_config(folder))), sort_keys=True))


def digest_weights(folder: Path) -> str:
    """Of the content of a model folder, but for its profile. A pulled model's weights, which were
    checked when they came, are taken from its receipt: they can be 50 GB. Raises ModelMissing."""
    pulled = (receipt(folder) or {}).get("files", {})
    found = []
    for path in sorted(folder.glob("*.safetensors")):
        known = pulled.get(path.name, {}).get("checksum")
        found.append((path.name, known or _sha256_of(path)))
    present = [folder / name for name in MODEL_FILES if (folder / name).exists()]
    found += [(path.name, _sha256_of(path)) for path in present]
    return _sha256(json.dumps(found))


def digest_items(items: Sequence[Item]) -> str:
    whole = hashlib.sha256()
    for item in items:
        whole.update(json.dumps(asdict(item), sort_keys=True).encode("utf-8", "surrogatepass"))
    return whole.hexdigest()


def digest_code(packages: Iterable[str]) -> str:
    """Of the sources of packages, by their names. Raises BadData where one cannot be found."""
    whole = hashlib.sha256()
    for package in packages:
        spec = importlib.util.find_spec(package)
        if spec is None:
            raise BadData(f"there is no package {package}: name one that is installed")
        roots = [Path(each) for each in spec.submodule_search_locations or ()]
        files = {path: f"{package}/{path.relative_to(root).as_posix()}"
                 for root in roots for path in root.rglob("*.py")}  # fmt: skip
        if not roots and spec.origin:
            files = {Path(spec.origin): package}
        for path, name in sorted(files.items(), key=lambda each: each[1]):
            if not name.startswith(NO_FILL):
                whole.update(f"{name} {_sha256_of(path)}\n".encode())
    return whole.hexdigest()


def changed(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The names of what differs between two questions."""
    names = dict.fromkeys([*now, *before])
    return [name for name in names if before.get(name) != now.get(name)]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _sha256_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelMissing(f"cannot read {path}: {error.strerror}") from error
