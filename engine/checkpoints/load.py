"""A checkpoint -> a model with its weights.

Everything is checked before a byte of weights is read (`open_checkpoint`). Then files are mapped
into memory one after the other and read in the order of their bytes, so that besides the mapping
no more than one weight is ever held twice.
"""

from __future__ import annotations

import mmap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.api import ModelMissing
from engine.checkpoints import plan
from engine.checkpoints.checkpoint import Checkpoint, Placed, open_checkpoint
from engine.checkpoints.derived import profile_of
from engine.checkpoints.files import AGAIN, Stored
from engine.checkpoints.formats import PLAIN, Place, whole
from engine.checkpoints.low_rank import merged, read_adapter
from engine.checkpoints.packed import QUANTISED, hold, kept_on, narrows
from engine.checkpoints.tuned import TUNE_AGAIN, base_of
from engine.models.family import Model, build, loader_of
from kernels.weights import FP8, Weight, quantise_fp8

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "U8": torch.uint8,
    "I8": torch.int8,
}


def load_model(
    folder: str | Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    *,
    packed: bool | None = None,
) -> Model[Any]:
    """The model of `folder` in Hugging Face layout, on `device`. Raises ModelMissing, naming the
    cause, and OutOfMemory before anything is read onto a card that is too small.

    `packed` is as `load_weights` says.
    """
    folder, device = Path(folder), torch.device(device)
    checkpoint = open_checkpoint(folder)
    narrow = False
    if device.type == "cuda":
        profile = profile_of(folder, checkpoint.config)
        narrow = plan.fit(folder.name, checkpoint, profile, device, dtype).narrow
    return load_weights(checkpoint, device, dtype, packed=packed, narrow=narrow)


def load_weights(
    checkpoint: Checkpoint,
    device: torch.device,
    dtype: torch.dtype,
    *,
    packed: bool | None = None,
    narrow: bool = False,
) -> Model[Any]:
    """The model of `checkpoint`, for inference, whatever memory is free.

    `packed` leaves quantised weights in their format, for kernels that read them so; else they are
    dequantised to `dtype`. None: as the device wants them. `narrow` is that of the plan: what is
    stored wider is made FP8 matrix by matrix, as it is read.
    """
    load = loader_of(checkpoint.config)
    if load is not None:
        return load(checkpoint.config, checkpoint.folder, device, dtype)
    kept: tuple[type, ...] = QUANTISED if packed else ()
    if packed is None:
        kept = kept_on(device)
    adapters = [] if checkpoint.adapter is None else [(checkpoint.adapter, TUNE_AGAIN)]
    narrow = narrow and FP8 in kept

    def read(adapters: list[tuple[Path, str]]) -> Model[Any]:
        with torch.device("meta"):
            model = build(checkpoint.config)
        weights = read_weights(checkpoint, device, dtype)
        for adapter, mend in adapters:
            weights = merged(weights, read_adapter(adapter, mend), mend)
        state = {
            name: whole(weight, dtype)
            for name, weight in _narrowed(weights, narrow)
            if not (isinstance(weight, kept) and hold(model, name, weight))
        }
        model.load_state_dict(state, assign=True)
        return model.eval().requires_grad_(False)

    model = read(adapters)
    if model.canvas_adapter is not None:
        base = base_of(checkpoint.folder) or checkpoint.folder
        model.read_canvases_by(read([*adapters, (base / model.canvas_adapter, AGAIN)]))
    return model


def compute_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies it natively, float32 on a CPU that does not."""
    native = device.type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if native else torch.float32


def read_weights(
    checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype
) -> Iterator[tuple[str, Weight]]:
    """Each weight of the model on `device` in the format it is stored in, experts stacked; what is
    not packed comes as `dtype`."""
    shards = _Shards(writable=device.type == "cpu")
    for index, placed in enumerate(checkpoint.placed):
        yield placed.name, _read(placed, shards, device, dtype)
        shards.keep({each.first.path for each in checkpoint.placed[index + 1 : index + 2]})


def _narrowed(weights: Iterator[tuple[str, Weight]], narrow: bool) -> Iterator[tuple[str, Weight]]:
    for name, weight in weights:
        is_wide = isinstance(weight, Tensor) and narrows(name, weight.shape)
        yield name, quantise_fp8(weight) if narrow and is_wide else weight  # type: ignore[arg-type]


def _read(placed: Placed, shards: _Shards, device: torch.device, dtype: torch.dtype) -> Weight:
    parts = len(placed.matrices[0])
    if placed.format is PLAIN and len(placed.matrices) == parts == 1:
        return shards.tensor(placed.first).to(device, dtype)
    weight = placed.format.allocate(placed.shape, parts, dtype, device)
    rows = placed.shape[-2] // parts
    for expert, matrices in enumerate(placed.matrices):
        for part, roles in enumerate(matrices):
            tensors = {role: shards.tensor(stored) for role, stored in roles.items()}
            place = Place(expert, slice(part * rows, (part + 1) * rows), part)
            placed.format.put(weight, place, tensors)
    return weight


class _Shards:
    """Files mapped into memory while they are read.

    On the CPU a weight may stay what is mapped. It is then a private copy, as soon as somebody
    writes to it.
    """

    def __init__(self, *, writable: bool) -> None:
        self._access = mmap.ACCESS_COPY if writable else mmap.ACCESS_READ
        self._mapped: dict[Path, mmap.mmap] = {}

    def tensor(self, stored: Stored) -> Tensor:
        dtype = DTYPES[stored.dtype]
        if not stored.nbytes:
            return torch.empty(stored.shape, dtype=dtype)
        mapped = self._map(stored.path)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given buffer is not writable")
            if stored.start % dtype.itemsize:
                copied = bytearray(mapped[stored.start : stored.end])
                return torch.frombuffer(copied, dtype=dtype).view(stored.shape)
            flat = torch.frombuffer(
                mapped, dtype=dtype, offset=stored.start, count=stored.nbytes // dtype.itemsize
            )
        return flat.view(stored.shape)

    def keep(self, paths: set[Path]) -> None:
        """Forget the files that are not in `paths`; the system unmaps them once nothing uses them.

        An expert's tensors can be in two files: the earlier one is then mapped again.
        """
        self._mapped = {path: it for path, it in self._mapped.items() if path in paths}

    def _map(self, path: Path) -> mmap.mmap:
        if path not in self._mapped:
            try:
                with path.open("rb") as file:
                    self._mapped[path] = mmap.mmap(file.fileno(), 0, access=self._access)
            except (OSError, ValueError) as error:
                raise ModelMissing(f"{path} cannot be mapped: {error}; {AGAIN}") from error
        return self._mapped[path]
