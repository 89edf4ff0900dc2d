"""A model that was tuned: a folder that holds what it learned, and names the model that learned it.
Imports no torch.

    tuned.json           an object: "base", a model as `catalog.folder_of` takes it, and "digest"
    adapter.safetensors  what is added to the base's weights (engine/checkpoints/low_rank.py)

Beside these lie copies of the base's small files, so that everything but the weights is read from
the folder as from any other. The weights are read from the base, which therefore has to be the very
model that was tuned: its digest says whether it is.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from engine.api import ModelMissing
from engine.checkpoints.catalog import folder_of
from engine.checkpoints.files import read_json

TUNED = "tuned.json"
ADAPTER = "adapter.safetensors"
TUNE_AGAIN = "run `infill-ls tune` again, or `infill-ls tune --forget`"
WHOLE = 1 << 20  # bytes of a file that is read as a whole for a digest
SAMPLES = 64
SAMPLE = 4096  # bytes


def base_of(folder: Path) -> Path | None:
    """The folder of the model whose weights `folder` adds to; None where it has its own.

    Raises ModelMissing where that model is gone, or is another one by now.
    """
    if not (folder / TUNED).exists():
        return None
    tuned = read_json(folder / TUNED)
    try:
        base = folder_of(str(tuned["base"]))
        is_same = sampled_digest(base) == tuned["digest"]
    except (KeyError, OSError) as error:
        raise ModelMissing(f"{folder / TUNED} is damaged ({error!r}); {TUNE_AGAIN}") from error
    except ModelMissing as error:
        cause = str(error).rpartition(":")[0] or str(error)
        raise ModelMissing(f"{folder} was tuned from a model that is gone ({cause}); {TUNE_AGAIN}")\
            from error  # fmt: skip
    if not is_same:
        raise ModelMissing(f"{folder} was tuned from another version of {base}; {TUNE_AGAIN}")
    return base


def sampled_digest(folder: Path) -> str:
    """Of the content of a model folder, reading a small part of it: small files as a whole, of a
    large one its size and samples spread evenly. Weights that are trained anew differ everywhere.

    Raises OSError.
    """
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".safetensors", ".json", ".txt", ".jinja"):
            continue
        size = path.stat().st_size
        whole.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            if size <= WHOLE:
                whole.update(file.read())
                continue
            for sample in range(SAMPLES):
                file.seek((size - SAMPLE) * sample // (SAMPLES - 1))
                whole.update(file.read(SAMPLE))
    return whole.hexdigest()


__all__ = ["ADAPTER", "TUNED", "base_of", "sampled_digest"]
