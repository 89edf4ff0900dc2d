"""What a model folder holds, read from file headers alone. Imports no torch.

A safetensors file begins with the length of its header (8 bytes, little endian), then the header:
JSON from tensor name to type, shape and place among the bytes that follow. Reading it costs the
same for a tensor of ten bytes as for one of ten gigabytes.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from engine.api import ModelMissing

AGAIN = "fetch the model again"
INDEX = "model.safetensors.index.json"
HEADER_LIMIT = 100_000_000  # bytes; that of the safetensors library
ITEM_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
    "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4, "U32": 4, "F32": 4,
    "F64": 8, "I64": 8, "U64": 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor in a file: bytes `start` to `end` of it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    path: Path
    start: int
    end: int

    @property
    def nbytes(self) -> int:
        return self.end - self.start


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a model folder; raises ModelMissing naming the file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelMissing(f"cannot read {path}: {reason}; choose a model's folder") from error
    except ValueError as error:
        raise ModelMissing(f"{path} is not valid JSON ({error}); {AGAIN}") from error
    if not isinstance(document, dict):
        raise ModelMissing(f"{path} holds no JSON object; {AGAIN}")
    return document


def read_tensors(folder: Path) -> dict[str, Stored]:
    """Every tensor of the folder by name. Raises ModelMissing when a file is cut short, damaged,
    or missing although the index names it."""
    shards = sorted(folder.glob("*.safetensors"))
    if not shards:
        raise ModelMissing(f"{folder} holds no .safetensors file; {_other_format(folder)}")
    indexed = _read_index(folder)
    found: dict[str, Stored] = {}
    for shard in shards:
        for stored in read_header(shard):
            # Of a tensor that is in two files, the index says which one counts.
            if stored.name not in found or indexed.get(stored.name) == shard.name:
                found[stored.name] = stored
    for name, shard_name in indexed.items():
        if name not in found and not (folder / shard_name).exists():
            raise ModelMissing(
                f"{folder} lacks the tensor {name}: the index puts it in {shard_name}, which is"
                f" not there; {AGAIN}"
            )
    return found


def read_header(path: Path) -> list[Stored]:
    """The tensors of one file, in the order of their bytes."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or not 2 <= length <= min(HEADER_LIMIT, size - 8):
                raise _no_safetensors(path, f"{size} bytes, a header of {length}")
            header = json.loads(file.read(length))
    except OSError as error:
        raise ModelMissing(f"cannot read {path}: {error.strerror or error}; {AGAIN}") from error
    except ValueError as error:
        raise _no_safetensors(path, str(error)) from error
    if not isinstance(header, dict):
        raise _no_safetensors(path, "its header is no JSON object")
    base = 8 + length
    found = [
        _stored(path, base, name, entry) for name, entry in header.items() if name != "__metadata__"
    ]
    found.sort(key=lambda stored: (stored.start, stored.end))
    for before, after in pairwise(found):
        if after.start < before.end:
            raise ModelMissing(f"{path}: tensors {before.name} and {after.name} overlap; {AGAIN}")
    for stored in found:
        if stored.end > size:
            raise ModelMissing(
                f"{path} is truncated: tensor {stored.name} ends at byte {stored.end}, the file at"
                f" {size}; {AGAIN}"
            )
    return found


def _stored(path: Path, base: int, name: str, entry: Any) -> Stored:
    try:
        dtype, shape = str(entry["dtype"]), tuple(int(size) for size in entry["shape"])
        start, end = (base + int(offset) for offset in entry["data_offsets"])
    except (TypeError, KeyError, ValueError) as error:
        raise _no_safetensors(path, f"its entry for {name} makes no sense: {error!r}") from error
    item = ITEM_BYTES.get(dtype)
    if start < base or end < start or min(shape, default=0) < 0:
        raise _no_safetensors(path, f"its entry for {name} makes no sense")
    if item is not None and end - start != item * math.prod(shape):
        raise ModelMissing(
            f"{path}: tensor {name} has {end - start} bytes, but {dtype} {list(shape)} takes"
            f" {item * math.prod(shape)}; {AGAIN}"
        )
    return Stored(name, dtype, shape, path, start, end)


def _read_index(folder: Path) -> dict[str, str]:
    if not (folder / INDEX).exists():
        return {}
    placed = read_json(folder / INDEX).get("weight_map")
    if not isinstance(placed, dict) or not all(isinstance(name, str) for name in placed.values()):
        raise ModelMissing(f"{folder / INDEX} holds no weight_map; {AGAIN}")
    return placed


def _no_safetensors(path: Path, why: str) -> ModelMissing:
    return ModelMissing(f"{path} is truncated or not a safetensors file ({why}); {AGAIN}")


def _other_format(folder: Path) -> str:
    """Why a folder without safetensors cannot be used, if it holds weights of another kind."""
    for pattern, what in {
        "*.gguf": "GGUF is for llama.cpp and cannot be run here",
        "*.dgq": "a .dgq pack is for diffgemma and cannot be run here",
        "*.bin": "pickled weights are never loaded, because they can run code",
        "*.pt*": "pickled weights are never loaded, because they can run code",
    }.items():
        if any(folder.glob(pattern)):
            return f"{what}: fetch the model as safetensors"
    return AGAIN
