"""A low-rank difference to the weights of a model (LoRA, https://arxiv.org/abs/2106.09685).

    y = x W^T + (x a^T) b^T        a [rank, in], b [out, rank]

b begins at zero, so that an adapted model begins as the model it was. While it learns, a and b stay
apart from W; where it is used, b a is added to W as W is read, and nothing is slower for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from engine.api import ModelMissing
from engine.checkpoints.formats.int8 import quantise
from engine.checkpoints.packed import PackedLinear
from engine.checkpoints.tuned import TUNE_AGAIN
from kernels.weights import FP8, INT8, Weight, dequantise, quantise_fp8, quantise_nvfp4

A, B = ".a", ".b"  # behind the name of the weight


class LowRank(nn.Module):
    """`base` and the difference that it learns. a and b are float32, whatever the base is in."""

    def __init__(self, base: nn.Linear | PackedLinear, rank: int) -> None:
        super().__init__()
        self.base = base
        out, size = base.weight.shape
        device = (base.weight if isinstance(base.weight, Tensor) else base.weight.data).device
        self.a = nn.Parameter(torch.empty(rank, size, device=device))
        self.b = nn.Parameter(torch.zeros(out, rank, device=device))
        nn.init.normal_(self.a, std=size**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base(x)
        return out + (x @ self.a.to(x.dtype).mT) @ self.b.to(x.dtype).mT


def adapt(model: nn.Module, rank: int) -> dict[str, nn.Parameter]:
    """Give every projection of `model` a difference to learn: its parameters, by their names in an
    adapter's file. All other parameters are left as they are."""
    learned = {}
    for name, module in list(model.named_modules()):
        if name.endswith("_proj") and isinstance(module, nn.Linear | PackedLinear):
            parent, _, child = name.rpartition(".")
            low = LowRank(module, rank)
            setattr(model.get_submodule(parent), child, low)
            learned[f"{name}.weight{A}"], learned[f"{name}.weight{B}"] = low.a, low.b
    return learned


def read_adapter(path: Path, mend: str = TUNE_AGAIN) -> dict[str, Tensor]:
    """The tensors of an adapter's file. Raises ModelMissing, which tells how to `mend` it."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelMissing(f"{path} cannot be read ({error}); {mend}") from error


def merged(
    weights: Iterable[tuple[str, Weight]], adapter: Mapping[str, Tensor], mend: str = TUNE_AGAIN
) -> Iterator[tuple[str, Weight]]:
    """`weights` by name, what `adapter` learned added, each in the format that it comes in. Raises
    ModelMissing, which tells how to `mend` it, where the two are not of one model."""
    left = {name.removesuffix(A).removesuffix(B) for name in adapter}
    for name, weight in weights:
        if name not in left:
            yield name, weight
            continue
        left.discard(name)
        yield name, _added(name, weight, adapter, mend)
    if left:
        raise ModelMissing(f"the adapter has {sorted(left)[0]}, which the model lacks; {mend}")


def _added(name: str, weight: Weight, adapter: Mapping[str, Tensor], mend: str) -> Weight:
    device = (weight if isinstance(weight, Tensor) else weight.data).device
    try:
        a, b = (adapter[name + part].to(device, torch.float32) for part in (A, B))
        whole = dequantise(weight, torch.float32) + b @ a
    except (KeyError, RuntimeError) as error:
        raise ModelMissing(f"the adapter of {name} does not fit ({error}); {mend}") from error
    if isinstance(weight, Tensor):
        return whole.to(weight.dtype)
    if isinstance(weight, FP8):
        return quantise_fp8(whole)
    if isinstance(weight, INT8):
        values, scale = quantise(whole)
        return INT8(values, scale.float()[:, 0])
    return quantise_nvfp4(whole, weight.tensor_scale.shape[-1])


__all__ = ["LowRank", "adapt", "merged", "read_adapter"]
