"""The layouts that publishers store a model in, and how near to the original each of them is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from kernels.weights import FP8, INT8, NVFP4
from tests.engine.checkpoints import writer
from tests.engine.checkpoints.writer import Matrix, Raw

GATE = "model.decoder.layers.1.experts.2.gate_proj"


@dataclass(frozen=True, slots=True)
class Layout:
    """`experts` is the type that stacked experts come in; `error` bounds a weight's, in parts of
    the largest value of its block (of its row, without `block`); `drift` bounds that of logits, in
    parts of their own size."""

    write: Callable[[dict[str, Matrix]], dict[str, Raw]]
    format: str
    experts: type
    error: float
    drift: float
    shards: int = 1
    block: int | None = 16


LAYOUTS = {
    "google bf16": Layout(writer.google_bf16, "bf16", torch.Tensor, 0.0, 0.0, shards=3),
    "fp8": Layout(writer.compressed_tensors_fp8, "fp8", FP8, 1 / 16, 0.15),
    "int8": Layout(writer.compressed_tensors_int8, "int8", INT8, 1 / 250, 0.05, block=None),
    "nvfp4 modelopt": Layout(
        writer.modelopt_nvfp4, "nvfp4 (modelopt)", NVFP4, 1 / 6 + 1 / 16, 0.3, shards=2
    ),
    "nvfp4 compressed-tensors": Layout(
        writer.compressed_tensors_nvfp4,
        "nvfp4 (compressed-tensors)",
        NVFP4,
        1 / 6 + 1 / 16,
        0.3,
    ),
}
