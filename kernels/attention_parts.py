"""Attention over stretches of the keys, joined into attention over all of them.

Each part has the softmax's running numbers beside it: the highest score of its stretch, and the sum
of exp(score - highest). With m the highest of all stretches, the whole is

    sum_s exp(m_s - m) * part_s / sum_s exp(m_s - m) * sum_s

where part_s is the sum of exp(score - m_s) * value, not yet divided.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs
# ruff: noqa: N803

from __future__ import annotations

from torch import Tensor

from kernels.backend import jit, launch, power_of_two, tl


def join_parts_triton(parts: Tensor, weight: Tensor, out: Tensor) -> None:
    """Write `out` [..., D] from `parts` [S, ..., D] and `weight` [S, ..., 2], both float32: of each
    part the highest score and the sum. A stretch that saw nothing has -inf and 0; one must have
    seen something. All are contiguous."""
    size = out.shape[-1]
    many = out.numel() // size
    constants = {"SPLITS": len(parts), "SIZE": size, "BLOCK_D": max(16, power_of_two(size))}
    launch(_join, (many,), parts, weight, out, many, **constants)


def join_parts_reference(parts: Tensor, weight: Tensor) -> Tensor:
    """[..., D] in float32: what `join_parts_triton` writes."""
    highest, total = weight.unbind(dim=-1)
    by = (highest - highest.amax(dim=0)).exp()
    whole: Tensor = (by[..., None] * parts).sum(dim=0) / (by * total).sum(dim=0)[..., None]
    return whole


@jit
def _join(
    parts,
    weight,
    out,
    many,
    SPLITS: tl.constexpr,
    SIZE: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    dim = tl.arange(0, BLOCK_D)
    inside = dim < SIZE
    most = tl.load(weight + 2 * row)
    for split in tl.static_range(1, SPLITS):
        most = tl.maximum(most, tl.load(weight + 2 * (split * many + row)))
    total = tl.zeros([BLOCK_D], dtype=tl.float32)
    share = 0.0
    for split in tl.static_range(SPLITS):
        at = split * many + row
        by = tl.exp(tl.load(weight + 2 * at) - most)
        share += by * tl.load(weight + 2 * at + 1)
        total += by * tl.load(parts + at * SIZE + dim, mask=inside, other=0.0)
    tl.store(out + row * SIZE + dim, (total / share).to(out.dtype.element_ty), mask=inside)
