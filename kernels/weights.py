"""Weight formats. Each keeps rows of a matrix [.., N, K] whole, so that a kernel reads a tile as it
lies (see kernels/tiles.py)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

E2M1 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)  # by the low three bits; the fourth is the sign
GROUP = 16  # columns that share an E4M3 scale


@dataclass(frozen=True, slots=True)
class FP8:
    """E4M3 with a scale per output channel: weight = data * scale[.., None].

    `data` [.., N, K] float8_e4m3fn, `scale` [.., N] float32.
    """

    data: Tensor
    scale: Tensor

    def __post_init__(self) -> None:
        if self.data.dtype != torch.float8_e4m3fn or self.scale.dtype != torch.float32:
            raise ValueError(f"FP8 of {self.data.dtype} with scales of {self.scale.dtype}")
        if self.scale.shape != self.data.shape[:-1]:
            raise ValueError(f"{list(self.scale.shape)} scales for {list(self.data.shape)} weights")

    @property
    def shape(self) -> torch.Size:
        return self.data.shape


@dataclass(frozen=True, slots=True)
class INT8:
    """Integers with a scale per output channel: weight = data * scale[.., None].

    `data` [.., N, K] int8, `scale` [.., N] float32.
    """

    data: Tensor
    scale: Tensor

    def __post_init__(self) -> None:
        if self.data.dtype != torch.int8 or self.scale.dtype != torch.float32:
            raise ValueError(f"INT8 of {self.data.dtype} with scales of {self.scale.dtype}")
        if self.scale.shape != self.data.shape[:-1]:
            raise ValueError(f"{list(self.scale.shape)} scales for {list(self.data.shape)} weights")

    @property
    def shape(self) -> torch.Size:
        return self.data.shape


@dataclass(frozen=True, slots=True)
class NVFP4:
    """Two E2M1 a byte, the even column in the low bits, an E4M3 scale per 16 columns, and float32
    scales per tensor: weight = e2m1 * scale * tensor_scale.

    `data` [.., N, K / 2] uint8, `scale` [.., N, K / 16] float8_e4m3fn. `tensor_scale` [.., G]:
    where G checkpoint tensors were stacked along N (gate, then up), each has its own.
    `rounds_inputs`: the checkpoint was made for inputs in NVFP4 too (W4A4), so that a card which
    multiplies NVFP4 may; with others inputs stay in 16 bits.
    """

    data: Tensor
    scale: Tensor
    tensor_scale: Tensor
    rounds_inputs: bool = False

    def __post_init__(self) -> None:
        dtypes = (self.data.dtype, self.scale.dtype, self.tensor_scale.dtype)
        if dtypes != (torch.uint8, torch.float8_e4m3fn, torch.float32):
            raise ValueError(f"NVFP4 of {dtypes}")
        *lead, rows, half = self.data.shape
        if 2 * half % GROUP or list(self.scale.shape) != [*lead, rows, 2 * half // GROUP]:
            raise ValueError(f"{list(self.scale.shape)} scales for {list(self.data.shape)} bytes")
        if list(self.tensor_scale.shape[:-1]) != lead or rows % max(self.tensor_scale.shape[-1], 1):
            raise ValueError(f"{list(self.tensor_scale.shape)} tensor scales for {rows} rows")

    @property
    def shape(self) -> torch.Size:
        return torch.Size((*self.data.shape[:-1], 2 * self.data.shape[-1]))


Weight = Tensor | FP8 | INT8 | NVFP4


def dequantise(weight: Weight, dtype: torch.dtype) -> Tensor:
    """The matrix [.., N, K] that `weight` stands for, scaled in float32, rounded to `dtype`."""
    if isinstance(weight, Tensor):
        return weight.to(dtype)
    if isinstance(weight, FP8 | INT8):
        return (weight.data.float() * weight.scale[..., None]).to(dtype)
    table = torch.tensor((*E2M1, *(-value for value in E2M1)), device=weight.data.device)
    codes = torch.stack((weight.data & 15, weight.data >> 4), dim=-1).flatten(-2)
    grouped = table[codes.long()].unflatten(-1, (-1, GROUP)) * weight.scale.float()[..., None]
    by_tensor = weight.tensor_scale.repeat_interleave(
        weight.shape[-2] // weight.tensor_scale.shape[-1], dim=-1
    )
    whole: Tensor = grouped.flatten(-2) * by_tensor[..., None]
    return whole.to(dtype)


def quantise_fp8(weight: Tensor) -> FP8:
    scale = (weight.float().abs().amax(dim=-1) / 448).clamp_min(2**-40)
    return FP8((weight.float() / scale[..., None]).to(torch.float8_e4m3fn), scale)


def quantise_nvfp4(weight: Tensor, tensors: int = 1) -> NVFP4:
    """As modelopt does it (facts: section 3.1), `tensors` stacked along N scaled on their own."""
    stacked = weight.float().unflatten(-2, (tensors, -1))
    by_tensor = (stacked.abs().amax(dim=(-2, -1)) / (6 * 448)).clamp_min(2**-100)
    groups = (stacked / by_tensor[..., None, None]).flatten(-3, -2).unflatten(-1, (-1, GROUP))
    scale = groups.abs().amax(dim=-1) / 6
    rounded = scale.clamp(2**-9, 448).to(torch.float8_e4m3fn)
    values = groups / rounded.float()[..., None]
    return NVFP4(pack_e2m1(values.flatten(-2)), rounded, by_tensor)


def pack_e2m1(values: Tensor) -> Tensor:
    """Nearest E2M1 of `values` [.., K], ties to the even code, two a byte: [.., K / 2] uint8."""
    # Boundaries between codes; on a tie the code with an even mantissa bit wins.
    size = values.abs()
    code = torch.zeros_like(size, dtype=torch.uint8)
    for step, bound in enumerate((0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0)):
        code += (size >= bound if step % 2 else size > bound).to(torch.uint8)
    code |= (values < 0).to(torch.uint8) << 3
    return code[..., 0::2] | (code[..., 1::2] << 4)
