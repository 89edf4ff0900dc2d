"""A snapshot of the training -> the folder that ships, and back to floats.

Matrices of the layers ship in five bits or four (engine/checkpoints/formats/grouped.py), the
embedding, which is the head too, in eight. Names are those of a Llama in `transformers`, which
reads a folder that `dequantise` wrote as this engine reads the one that ships.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.files import INDEX, read_json
from engine.checkpoints.formats import grouped, int8
from engine.checkpoints.load import load_weights
from engine.models.dense.config import HEAD, PREFIX
from engine.training.adapt.adapters import CANVAS_ADAPTER
from engine.training.adapt.tokens import DOCUMENT, MASK, PAD, SLACK

SHARD = 44 * 2**20  # bytes of tensors; a file stays under 48 MiB
INFILL = {
    "attention": "causal_prefix",
    "shift": False,
    "mask_token_id": MASK,
    "slack_token_id": SLACK,
}
BESIDE = ("tokenizer.json", "profile.json", CANVAS_ADAPTER)


@dataclass(frozen=True, slots=True)
class Storage:
    """Matrices of layers in `bits` 4 or 5, in groups of `group` columns, or in 8 bits."""

    bits: int = 5
    group: int = 64


def export(
    snapshot: Path, folder: Path, storage: Storage, inputs: Mapping[str, Tensor] | None = None
) -> int:
    """Write config.json and the weights of `snapshot` into `folder`, with what stands beside them;
    the bytes of weights. `inputs` are as `calibration.second_moments` has them."""
    stored: dict[str, Tensor] = {}
    for name, tensor in load_file(snapshot / "model.safetensors").items():
        stored |= _stored(name, tensor, storage, (inputs or {}).get(name))
    config = filling(read_json(snapshot / "config.json"))
    if (snapshot / CANVAS_ADAPTER).exists():
        config["infill"] = {**INFILL, "canvas_adapter": CANVAS_ADAPTER}
    return _write(folder, stored, config, snapshot)


def filling(config: Mapping[str, Any]) -> dict[str, Any]:
    """The base's config.json, and how the adapted model fills."""
    marks = {"bos_token_id": DOCUMENT, "eos_token_id": DOCUMENT, "pad_token_id": PAD}
    return {**config, **marks, "infill": INFILL}


def dequantise(folder: Path, out: Path, dtype: torch.dtype) -> None:
    """Write the model of `folder` in floats into `out`. Raises ModelMissing if it is no model."""
    model = load_weights(open_checkpoint(folder), torch.device("cpu"), dtype, packed=False)
    tensors = {
        name if name == HEAD else PREFIX + name: tensor.contiguous()
        for name, tensor in model.state_dict().items()
    }
    config = read_json(folder / "config.json")
    _write(out, tensors, {**config, "dtype": str(dtype).removeprefix("torch.")}, folder)


def _stored(
    name: str, tensor: Tensor, storage: Storage, inputs: Tensor | None
) -> dict[str, Tensor]:
    if tensor.ndim < 2:
        return {name: tensor.bfloat16()}
    if storage.bits == 8 or ".layers." not in name:
        values, scale = int8.quantise(tensor)
        return {name: values, f"{name}_scale": scale}
    module = name.removesuffix("weight")
    stored = grouped.quantise(tensor, storage.bits, storage.group, inputs).stored(storage.bits)
    return {module + suffix: part for suffix, part in stored.items()}


def _write(
    folder: Path, tensors: Mapping[str, Tensor], config: Mapping[str, Any], beside: Path
) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.safetensors"):
        old.unlink()
    shards = list(_shards(tensors))
    placed: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        save_file(shard, folder / file, metadata={"format": "pt"})
        placed |= dict.fromkeys(shard, file)
    size = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": placed}
    _write_json(folder / INDEX, index)
    _write_json(folder / "config.json", config)
    for name in BESIDE:
        if (beside / name).exists():
            shutil.copyfile(beside / name, folder / name)
    return size


def _shards(tensors: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """`tensors` in their order, in parts of at most SHARD bytes or one tensor."""
    shard: dict[str, Tensor] = {}
    room = SHARD
    for name, tensor in tensors.items():
        if shard and tensor.nbytes > room:
            yield shard
            shard, room = {}, SHARD
        shard[name] = tensor
        room -= tensor.nbytes
    if shard:
        yield shard


def _write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
