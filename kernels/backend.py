"""Which implementation a device gets, and how a kernel is launched.

A kernel runs where its tensors are bfloat16 on a CUDA device and nothing asks for a gradient; every
other call runs the plain-torch reference, on the CPU always. INFILL_KERNELS=reference forces the
references; INFILL_KERNELS=triton forces the kernels, which on a CPU needs TRITON_INTERPRET=1.

Triton is missing on macOS and Windows: kernels are then never chosen, and `jit` leaves them be.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

# None where there is no wheel for the system.
triton: Any = import_module("triton") if find_spec("triton") else None
tl: Any = import_module("triton.language") if triton else None

FORCED = os.environ.get("INFILL_KERNELS", "")
if FORCED not in ("", "reference", "triton"):
    raise ValueError(f"INFILL_KERNELS is {FORCED!r}: say reference or triton, or leave it unset")

INTERPRETED = os.environ.get("TRITON_INTERPRET", "") == "1"


def jit(kernel: Callable[..., Any]) -> Any:
    """`triton.jit`, where there is Triton."""
    return kernel if triton is None else triton.jit(kernel)


def constant(value: Any) -> Any:
    """A number that kernels may read as a global."""
    return value if tl is None else tl.constexpr(value)


_WIDEN = constant(INTERPRETED)  # the interpreter multiplies bfloat16 as if it were integers


@jit
def dot(left, right, total):
    """total [N, M] + left [N, K] @ right [K, M] in the tensor cores, summed in float32."""
    if _WIDEN:
        left = left.to(tl.float32)
        right = right.to(tl.float32)
    return tl.dot(left, right, total, input_precision="ieee")


def serves(device: torch.device) -> bool:
    """Whether kernels run on `device`."""
    if FORCED:
        return FORCED == "triton"
    return device.type == "cuda" and triton is not None


def uses_kernels(x: Tensor, *others: Tensor | None) -> bool:
    """Whether an operation on `x` runs its kernel; one tensor that wants a gradient forbids it."""
    if not serves(x.device) or x.dtype != torch.bfloat16:
        return False
    if not torch.is_grad_enabled():
        return True
    return not any(each is not None and each.requires_grad for each in (x, *others))


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch, as a compiler or a counter wants it."""

    kernel: Any
    grid: tuple[int, ...]
    arguments: tuple[Any, ...]
    constants: dict[str, Any]
    num_warps: int
    num_stages: int


@dataclass(frozen=True, slots=True)
class Card:
    """What a choice of tile sizes looks at."""

    capability: int  # 89 for 8.9
    multiprocessors: int

    @property
    def has_fp8(self) -> bool:
        """Converts E4M3 itself."""
        return self.capability >= 89

    @property
    def has_fp4(self) -> bool:
        """Multiplies block-scaled E2M1 in its tensor cores, and this Triton knows how."""
        return self.capability in _FP4_SINCE and version() >= _FP4_SINCE[self.capability]

    @property
    def pipelines_two_sums(self) -> bool:
        """Whether this Triton compiles a pipelined loop that adds NVFP4, dequantised, to two sums:
        before 3.7 an assertion of its own fails there on data-centre Blackwell."""
        return self.capability not in (100, 103) or version() >= (3, 7)

    @property
    def shared_memory(self) -> int:
        """Bytes that one block may have."""
        large = {80: 166912, 90: 232448, 100: 232448, 103: 232448}
        return large.get(self.capability, 101376)


# From which Triton on our kernels' `tl.dot_scaled`, with an E4M3 scale per 16 columns, compiles to
# the tensor cores' own instruction there: 3.6 fails on all but 120, and none between was tried.
_FP4_SINCE = {100: (3, 9), 103: (3, 9), 120: (3, 6), 121: (3, 9)}


def version() -> tuple[int, ...]:
    """Triton's, major and minor."""
    return tuple(int(part) for part in triton.__version__.split(".")[:2]) if triton else ()


INTERPRETER = Card(capability=80, multiprocessors=32)
_recording: list[tuple[Card, list[Launch]]] = []


def card(device: torch.device) -> Card:
    if _recording:
        return _recording[-1][0]
    return _card(device) if device.type == "cuda" else INTERPRETER


@cache
def _card(device: torch.device) -> Card:
    properties = torch.cuda.get_device_properties(device)
    return Card(properties.major * 10 + properties.minor, properties.multi_processor_count)


def launch(
    kernel: Any,
    grid: tuple[int, ...],
    *arguments: Any,
    num_warps: int = 4,
    num_stages: int = 2,
    **constants: Any,
) -> None:
    """Run `kernel` on `grid`; a grid with an empty side runs nothing."""
    if _recording:
        launched = Launch(kernel, grid, arguments, constants, num_warps, num_stages)
        _recording[-1][1].append(launched)
        return
    if 0 in grid:
        return
    options = {"num_warps": num_warps, "num_stages": num_stages, "enable_fp_fusion": True}
    kernel[grid](*arguments, **constants, **options)


@contextmanager
def recording(pretended: Card) -> Iterator[list[Launch]]:
    """Collect launches instead of running them, with the choices made for the `pretended` card.

    Tensors may be on the meta device: that a wrapper gets through with those also shows that it
    reads nothing back from the card.
    """
    _recording.append((pretended, []))
    try:
        yield _recording[-1][1]
    finally:
        _recording.pop()


def power_of_two(number: int) -> int:
    """The least power of two that is not below `number`."""
    return 1 << max(number - 1, 0).bit_length()


def ceil_div(number: int, by: int) -> int:
    return -(-number // by)
