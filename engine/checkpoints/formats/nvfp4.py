"""NVFP4 weights: E2M1 values, two to a byte, an E4M3 scale per block of 16, one float32 scale.

    w[o, i] = e2m1[q[o, i]] * float(weight_scale[o, i // 16]) * scale
    byte[o, j] = q[o, 2 j + 1] << 4 | q[o, 2 j]         (the low nibble is the even column)

Two public ways to name the tensors (NVIDIA Model-Optimizer, qtensor/nvfp4_tensor.py; and
compressed-tensors): modelopt stores `scale` as `weight_scale_2`, compressed-tensors stores its
inverse as `weight_global_scale`. Scales for activations (`input_scale`, `input_global_scale`) are
not read. What modelopt calls NVFP4 is made for activations in NVFP4 too: a card that multiplies
them rounds them by scales of its own, elsewhere they stay in 16 bits. compressed-tensors packs
weights for activations of 16 bits in the same way: there they always stay so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from engine.checkpoints.formats.field import SCALAR, Field, Format, Place, matrices, vectors
from kernels.weights import NVFP4, Weight

BLOCK = 16


def _modelopt(shape: tuple[int, ...]) -> tuple[Field, ...]:
    return _fields("weight", Field("scale", "weight_scale_2", SCALAR, ("F32",)), shape)


def _compressed_tensors(shape: tuple[int, ...]) -> tuple[Field, ...]:
    inverse = Field("inverse_scale", "weight_global_scale", SCALAR, ("F32",))
    return _fields("weight_packed", inverse, shape)


def _fields(packed: str, scale: Field, shape: tuple[int, ...]) -> tuple[Field, ...]:
    rows, columns = shape
    if columns % BLOCK:
        raise ValueError(f"NVFP4 needs rows of a multiple of {BLOCK} values, not {columns}")
    return (
        Field("packed", packed, ((rows, columns // 2),), ("U8",)),
        Field("block_scale", "weight_scale", ((rows, columns // BLOCK),), ("F8_E4M3",)),
        scale,
    )


def _allocate(
    shape: tuple[int, ...], parts: int, dtype: torch.dtype, device: torch.device
) -> Weight:
    *leading, rows, columns = shape
    blocks = (*leading, rows, columns // BLOCK)
    return NVFP4(
        torch.empty(*leading, rows, columns // 2, dtype=torch.uint8, device=device),
        torch.empty(blocks, dtype=torch.float8_e4m3fn, device=device),
        torch.empty(*leading, parts, dtype=torch.float32, device=device),
    )


def _allocate_for_rounded_inputs(
    shape: tuple[int, ...], parts: int, dtype: torch.dtype, device: torch.device
) -> Weight:
    weight = _allocate(shape, parts, dtype, device)
    assert isinstance(weight, NVFP4)
    return replace(weight, rounds_inputs=True)


def _put(weight: Weight, place: Place, stored: Mapping[str, Tensor]) -> None:
    assert isinstance(weight, NVFP4)
    matrices(weight.data)[place.expert, place.rows].copy_(stored["packed"])
    matrices(weight.scale)[place.expert, place.rows].copy_(stored["block_scale"])
    scale = stored["scale"] if "scale" in stored else 1 / stored["inverse_scale"]
    vectors(weight.tensor_scale)[place.expert, place.part].copy_(scale.flatten()[0])


MODELOPT = Format("nvfp4 (modelopt)", _modelopt, _allocate_for_rounded_inputs, _put)
COMPRESSED_TENSORS = Format("nvfp4 (compressed-tensors)", _compressed_tensors, _allocate, _put)
