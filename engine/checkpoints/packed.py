"""Weights left in their format inside a model, where the kernels read them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from kernels.linear import linear
from kernels.weights import Weight


def stays_packed(device: torch.device) -> bool:
    """Whether `device` has kernels that read quantised weights as they are."""
    return device.type == "cuda"


def narrows(name: str, shape: Sequence[int]) -> bool:
    """Whether the weight `name` can be kept in FP8 where it is stored wider: it is a matrix of a
    layer."""
    return len(shape) == 2 and name.endswith("_proj.weight")


class PackedLinear(nn.Module):
    """A linear layer whose weight is no tensor; its bias, if it has one, is."""

    def __init__(self, weight: Weight, bias: nn.Parameter | None) -> None:
        super().__init__()
        self.weight = weight
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        out = linear(x, self.weight)
        return out if self.bias is None else out + self.bias


def hold(model: nn.Module, name: str, weight: Weight) -> bool:
    """Put a packed weight where `model` uses it; False where it is no tensor that a kernel takes
    packed (the router's, for one), and has to be dequantised."""
    if isinstance(weight, Tensor):
        return False
    path, _, leaf = name.rpartition(".")
    module = model.get_submodule(path)
    if path.endswith(".experts"):
        delattr(module, leaf)  # a parameter's name takes nothing but parameters
        object.__setattr__(module, leaf, weight)
        return True
    parent, _, child = path.rpartition(".")
    if not isinstance(module, nn.Linear) or not child.endswith("_proj"):
        return False
    setattr(model.get_submodule(parent), child, PackedLinear(weight, module.bias))
    return True
