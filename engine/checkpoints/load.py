"""A folder in Hugging Face layout -> a model with its weights.

The folder holds `config.json` and one or more `*.safetensors`. Tensors are read by name; the
encoder's duplicates and the vision tower are not read at all. Everything is checked against the
model's shapes before a byte of weights is loaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from engine.api import ModelMissing
from engine.models.diffusion_gemma import Config, DiffusionGemma

FAMILY = "diffusion_gemma"
PREFIX = "model.decoder."
PLAIN = {"F64", "F32", "F16", "BF16"}


def read_config(folder: Path) -> Config:
    """The folder's `config.json`; raises ModelMissing when it is absent or not understood."""
    path = folder / "config.json"
    document = read_json(path)
    family = document.get("model_type", FAMILY)
    if family != FAMILY:
        raise ModelMissing(
            f"{path} describes a {family} model; choose a folder that holds a {FAMILY} model"
        )
    try:
        return Config.from_json(document)
    except ValueError as error:
        raise ModelMissing(
            f"{path} cannot be used: {error}; fetch the model again, or choose another"
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a model folder; raises ModelMissing naming the file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelMissing(f"cannot read {path}: {reason}; choose a model's folder") from error
    except ValueError as error:
        raise ModelMissing(f"{path} is not valid JSON ({error}); fetch the model again") from error
    if not isinstance(document, dict):
        raise ModelMissing(f"{path} holds no JSON object; fetch the model again")
    return document


def load(folder: Path, device: torch.device | str, dtype: torch.dtype) -> DiffusionGemma:
    """The model of `folder`, on `device`, for inference. Raises ModelMissing, naming the cause."""
    config = read_config(folder)
    with torch.device("meta"):
        model = DiffusionGemma(config)
    wanted = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    found = _locate(folder)
    for name, tensor in wanted.items():
        _check(folder, found, name, tuple(tensor.shape))
    state: dict[str, torch.Tensor] = {}
    for name in wanted:
        with safe_open(found[PREFIX + name], framework="pt", device=str(device)) as shard:
            state[name] = shard.get_tensor(PREFIX + name).to(dtype)
    model.load_state_dict(state, assign=True)
    return model.eval().requires_grad_(False)


def _locate(folder: Path) -> dict[str, Path]:
    """Tensor name -> the shard that holds it."""
    shards = sorted(folder.glob("*.safetensors"))
    if not shards:
        raise ModelMissing(f"{folder} holds no .safetensors file; fetch the model again")
    found: dict[str, Path] = {}
    for shard in shards:
        try:
            with safe_open(shard, framework="pt") as file:
                found.update(dict.fromkeys(file.keys(), shard))
        except (SafetensorError, OSError) as error:
            raise ModelMissing(
                f"{shard} is truncated or not a safetensors file ({error}); fetch the model again"
            ) from error
    return found


def _check(folder: Path, found: dict[str, Path], name: str, shape: tuple[int, ...]) -> None:
    shard = found.get(PREFIX + name)
    if shard is None:
        raise ModelMissing(f"{folder} lacks the tensor {PREFIX}{name}; fetch the model again")
    with safe_open(shard, framework="pt") as file:
        entry = file.get_slice(PREFIX + name)
        stored, dtype = tuple(entry.get_shape()), entry.get_dtype()
    if dtype not in PLAIN:
        raise ModelMissing(
            f"{shard}: tensor {PREFIX}{name} is stored as {dtype}, a quantised format that is not "
            f"supported; fetch the bfloat16 version of the model"
        )
    if stored != shape:
        raise ModelMissing(
            f"{shard}: tensor {PREFIX}{name} has shape {list(stored)}, config.json implies "
            f"{list(shape)}: the files do not belong together; fetch the model again"
        )
