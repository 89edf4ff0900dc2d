"""Weights left in their format inside a model, where the kernels read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from engine.models.family import Model
from kernels.int8 import multiplies_int8
from kernels.linear import linear
from kernels.weights import FP8, INT8, NVFP4, Weight

QUANTISED = (FP8, INT8, NVFP4)


def stays_packed(device: torch.device) -> bool:
    """Whether `device` has kernels that read most quantised weights as they are."""
    return device.type == "cuda"


def narrows(name: str, shape: Sequence[int]) -> bool:
    """Whether the weight `name` can be kept in FP8 where it is stored wider: it is a matrix of a
    layer."""
    return len(shape) == 2 and name.endswith("_proj.weight")


def kept_on(device: torch.device) -> tuple[type, ...]:
    """The formats of weights that `device` multiplies as they are."""
    if stays_packed(device):
        return FP8, NVFP4
    return (INT8,) if device.type == "cpu" and multiplies_int8() else ()


class PackedLinear(nn.Module):
    """A linear layer whose weight is no tensor; its bias, if it has one, is."""

    def __init__(self, weight: Weight, bias: nn.Parameter | None) -> None:
        super().__init__()
        self.weight = weight
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        out = linear(x, self.weight)
        return out if self.bias is None else out + self.bias


class PackedEmbedding(nn.Module):
    """An embedding [V, H] in INT8, whose rows come as float32."""

    def __init__(self, weight: INT8) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.weight.data[ids].float() * self.weight.scale[ids][..., None]


def hold(model: Model[Any], name: str, weight: Weight) -> bool:
    """Put a packed weight where `model` uses it; False where it is no tensor that a kernel takes
    packed (the router's, for one), and has to be dequantised."""
    if isinstance(weight, Tensor):
        return False
    path, _, leaf = name.rpartition(".")
    module = model.get_submodule(path)
    if isinstance(weight, INT8) and not model.multiplies_int8:
        return False
    if path.endswith(".experts"):
        delattr(module, leaf)  # a parameter's name takes nothing but parameters
        object.__setattr__(module, leaf, weight)
        return True
    parent, _, child = path.rpartition(".")
    if isinstance(module, nn.Embedding) and isinstance(weight, INT8):
        setattr(model.get_submodule(parent), child, PackedEmbedding(weight))
        return True
    takes = child.endswith("_proj") or isinstance(weight, INT8)
    if not isinstance(module, nn.Linear) or not takes:
        return False
    setattr(model.get_submodule(parent), child, PackedLinear(weight, module.bias))
    return True
