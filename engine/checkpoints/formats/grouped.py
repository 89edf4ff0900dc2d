"""Four or five bits a weight: neighbours in a row share a step, all are integers of an INT8 row.

    v[o, i] = (step[o, g] * q[o, i] + 8) // 16 + least[o, g]        g = i // group, |v| <= 127
    w[o, i] = weight_scale[o] * v[o, i]

So what is read is INT8, which CPUs multiply (kernels/int8.py), and nothing is rounded again. The
low four bits of q lie two to a byte, column i beside i + K / 2; the fifth, where there is one,
eight to a byte, column i beside i + K / 8: unpacking moves whole halves and eighths of rows.
`quantise` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import Tensor

from engine.checkpoints.formats.field import SCALAR, Field, Format, Place, matrices, vectors
from engine.checkpoints.formats.int8 import MOST, allocate_int8
from kernels import weights
from kernels.weights import Weight

PARTS = 16  # of an integer that steps are counted in
LARGEST_STEP = 255


@dataclass(frozen=True, slots=True)
class Grouped:
    """Codes [N, K] and steps [N, K / group], uint8; least values, int8; scales [N, 1], bfloat16."""

    codes: Tensor
    step: Tensor
    least: Tensor
    scale: Tensor

    def integers(self) -> Tensor:
        """v [N, K] int8."""
        return _integers(self.codes, self.step, self.least)

    def stored(self, bits: int) -> dict[str, Tensor]:
        """What a file holds, by suffix."""
        low = self.codes & 15
        found = {
            "weight_low": low[:, : low.shape[1] // 2] | low[:, low.shape[1] // 2 :] << 4,
            "weight_step": self.step,
            "weight_least": self.least,
            "weight_scale": self.scale,
        }
        if bits == 5:
            eighths = (self.codes >> 4).unflatten(1, (8, -1))
            places = torch.arange(8, dtype=torch.uint8)[:, None]
            found["weight_high"] = (eighths << places).sum(dim=1, dtype=torch.uint8)
        return {suffix: tensor.contiguous() for suffix, tensor in found.items()}


def quantise(matrix: Tensor, bits: int, group: int, inputs: Tensor | None = None) -> Grouped:
    """Of `matrix` [N, K], in `bits` 4 or 5.

    With `inputs` [K, K], the mean of x x^T over what the matrix is multiplied with, the error of a
    column is made up for in those after it (GPTQ, arXiv 2210.17323); else each is rounded alone.
    Raises ValueError where rows do not part into groups.
    """
    if matrix.shape[1] % group or matrix.shape[1] % 8:
        raise ValueError(f"rows of {matrix.shape[1]} do not part into groups of {group}")
    wide = matrix.float()
    scale = (wide.abs().amax(dim=-1, keepdim=True) / MOST).clamp_min(2**-100).bfloat16()
    left = wide / scale.float()
    passes_on = torch.eye(matrix.shape[1]) if inputs is None else _passed_on(inputs)
    importance = passes_on.diagonal().square().reciprocal()
    codes, steps, leasts = [], [], []
    for start in range(0, matrix.shape[1], group):
        here = slice(start, start + group)
        block, to = left[:, here], passes_on[here, here]
        step, least = _best_step(block, importance[here], 2**bits - 1)
        errors = torch.zeros_like(block)
        for at in range(group):
            exact = block[:, at : at + 1]
            code = ((exact - least) * PARTS / step).round_().clamp_(0, 2**bits - 1)
            codes.append(code)
            value = _value(code, step, least)
            errors[:, at] = ((exact - value) / to[at, at]).squeeze(1)
            if inputs is not None:
                block[:, at:] -= errors[:, at : at + 1] * to[at, at:]
        if inputs is not None:
            left[:, start + group :] -= errors @ passes_on[here, start + group :]
        steps.append(step)
        leasts.append(least)
    return Grouped(
        torch.cat(codes, dim=1).to(torch.uint8),
        torch.cat(steps, dim=1).to(torch.uint8),
        torch.cat(leasts, dim=1).to(torch.int8),
        scale,
    )


def _passed_on(inputs: Tensor) -> Tensor:
    """[K, K], upper triangular: how much of a column's error each later one makes up for, in parts
    of the diagonal."""
    damped = inputs.double()
    damped.diagonal().add_(0.01 * damped.diagonal().mean())
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    factor: Tensor = torch.linalg.cholesky(inverse, upper=True).float()
    return factor


def _best_step(block: Tensor, importance: Tensor, top: int) -> tuple[Tensor, Tensor]:
    """The step and the least value [N, 1] of a group [N, G] with the smallest squared error, where
    columns count by `importance` [G], among those that cut off a little above and below."""
    block = block.clamp(-MOST, MOST)
    high, low = block.amax(dim=-1, keepdim=True), block.amin(dim=-1, keepdim=True)
    smallest = torch.full_like(high, torch.inf)
    step, least = torch.ones_like(high), torch.zeros_like(high)
    for share in (1.0, 0.95, 0.9, 0.85, 0.8, 0.72):
        tried = ((high - low) * (share * PARTS / top)).round().clamp(1, LARGEST_STEP)
        span = tried * (top / PARTS)
        for below in (0.35, 0.5, 0.65):  # how much of what is cut off is cut off there
            begin = (low + below * (high - low - span)).round()
            begin = torch.minimum(begin, (MOST - span).floor()).clamp(-MOST, MOST)
            codes = ((block - begin) * PARTS / tried).round_().clamp_(0, top)
            error = (_value(codes, tried, begin) - block).square() @ importance[:, None]
            better = error < smallest
            smallest = torch.where(better, error, smallest)
            step, least = torch.where(better, tried, step), torch.where(better, begin, least)
    return step, least


def _value(codes: Tensor, step: Tensor, least: Tensor) -> Tensor:
    """As `_integers`, in floats."""
    return ((codes * step + PARTS // 2) / PARTS).floor() + least


def _integers(codes: Tensor, step: Tensor, least: Tensor) -> Tensor:
    groups = codes.unflatten(1, (step.shape[1], -1)).to(torch.int16)
    groups.mul_(step[..., None]).add_(PARTS // 2).bitwise_right_shift_(4).add_(least[..., None])
    whole: Tensor = groups.to(torch.int8).flatten(1)
    return whole


def _codes(low: Tensor, high: Tensor | None) -> Tensor:
    rows, half = low.shape
    codes = torch.empty(rows, 2 * half, dtype=torch.uint8)
    torch.bitwise_and(low, 15, out=codes[:, :half])
    torch.bitwise_right_shift(low, 4, out=codes[:, half:])
    if high is not None:
        for place, eighth in enumerate(codes.chunk(8, dim=1)):
            eighth |= (high >> place & 1) << 4
    return codes


def _fields(bits: int, group: int, shape: tuple[int, ...]) -> tuple[Field, ...]:
    rows, columns = shape
    if columns % group or columns % 8:
        raise ValueError(f"groups of {group} need rows of a multiple of it, not {columns} values")
    fields = (
        Field("low", "weight_low", ((rows, columns // 2),), ("U8",)),
        Field("step", "weight_step", ((rows, columns // group),), ("U8",)),
        Field("least", "weight_least", ((rows, columns // group),), ("I8",)),
        Field("scale", "weight_scale", ((rows, 1), (rows,), *SCALAR), ("BF16", "F32", "F16")),
    )
    high = Field("high", "weight_high", ((rows, columns // 8),), ("U8",))
    return (*fields, high) if bits == 5 else fields


def _put(weight: Weight, place: Place, stored: Mapping[str, Tensor]) -> None:
    assert isinstance(weight, weights.INT8)
    codes = _codes(stored["low"], stored.get("high"))
    integers = _integers(codes, stored["step"], stored["least"])
    matrices(weight.data)[place.expert, place.rows].copy_(integers)
    scale = vectors(weight.scale)[place.expert, place.rows]
    scale.copy_(stored["scale"].flatten().expand_as(scale))


@cache
def grouped(bits: int, group: int) -> Format:
    """The format of matrices in `bits` 4 or 5, in groups of so many columns."""
    fields = partial(_fields, bits, group)
    return Format(f"int{bits} in groups of {group}", fields, allocate_int8, _put, packed=False)
